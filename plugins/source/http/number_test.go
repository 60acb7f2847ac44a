package httpsource

import (
	"math"
	"strconv"
	"testing"

	"github.com/prometheus/prometheus/model/value"
)

func checkNumber(t *testing.T, text string) {
	t.Helper()
	for _, end := range []string{"\n", " 1\n", "\t\n"} {
		got, at, ok := number([]byte("x"+text+end), 1)
		want, err := parseFloat([]byte(text))
		if math.IsNaN(want) {
			want = math.Float64frombits(value.NormalNaN)
		}
		if ok != (err == nil) || ok && (math.Float64bits(got) != math.Float64bits(want) || at != 1+len(text)) {
			t.Fatalf("%q: got %v (%v) to %d, want %v (%v)", text, got, ok, at, want, err)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "1", "007", "-1", "+1", "1.", ".5", ".", "-", "", "1.5", "-12.5", "1e6", "1e+06", "1E6", "1e-3", "1.806176e+06",
		"1e", "1e+", "e5", "1e22", "1e23", "1e-22", "1e-23", "9007199254740992", "9007199254740993", "9007199254740994", "0.1", "0.3",
		"18446744073709551615", "18446744073709551616", "184467440737095516150", "123456789012345678", "1.7976931348623157e308", "1e309",
		"4.9e-324", "1e-400", "NaN", "nan", "+Inf", "-Inf", "Inf", "infinity", "0x1p4", "0x10", "1_000", "1e1000", "1e0001", "--1", "1-1", "1..2", "1.5e3.5",
		"2.2250738585072011e-308", "0.000001", "00000000000000000000001", "0.00000000000000000000000000001", "1{", "1\r",
	} {
		checkNumber(t, text)
	}
}

func FuzzNumber(f *testing.F) {
	for _, text := range []string{"1", "-1.5e+06", "NaN", "9007199254740993", "0.1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i := range len(text) {
			if c := text[i]; c == '\n' || c == ' ' || c == '\t' {
				return
			}
		}
		checkNumber(t, text)
	})
}

func FuzzNumberDecimal(f *testing.F) {
	f.Add(uint64(12345), 3, true)
	f.Fuzz(func(t *testing.T, mantissa uint64, exponent int, negative bool) {
		text := strconv.FormatUint(mantissa, 10)
		if negative {
			text = "-" + text
		}
		checkNumber(t, text+"e"+strconv.Itoa(exponent%400))
		k := 1 + int(uint(exponent)%uint(len(text)))
		checkNumber(t, text[:k]+"."+text[k:])
	})
}
