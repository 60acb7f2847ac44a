package httpsource

import (
	"math"
	"strconv"
	"strings"
	"unsafe"

	"github.com/prometheus/prometheus/model/value"
)

// powers are the powers of ten that a float64 holds exactly.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// number reads the value that begins at b[i] and tells where it ends: at a space, a tab or a line feed, of which
// there must be one. It reads what Prometheus reads, to the same bits.
//
// A decimal of at most 2^53 that is to be multiplied with or divided by a power of ten up to 10^22 needs one
// rounding, the one that the hardware does (Clinger, "How to read floating point numbers accurately", 1990).
// strconv reads everything else.
func number(b []byte, i int) (v float64, end int, ok bool) {
	from := i
	negative := b[i] == '-'
	if negative {
		i++
	}
	var mantissa uint64
	first := i
	for ; b[i]-'0' <= 9; i++ {
		mantissa = mantissa*10 + uint64(b[i]-'0')
	}
	digits, exponent := i-first, 0
	if b[i] == '.' {
		i++
		first = i
		for ; b[i]-'0' <= 9; i++ {
			mantissa = mantissa*10 + uint64(b[i]-'0')
		}
		digits += i - first
		exponent = first - i
	}
	if b[i] == 'e' && digits > 0 {
		e, next, ok := exponentAt(b, i+1)
		if !ok {
			return anyNumber(b, from)
		}
		exponent += e
		i = next
	}
	if digits == 0 || digits > 19 || mantissa > 1<<53 || (b[i] != '\n' && b[i] != ' ' && b[i] != '\t') {
		return anyNumber(b, from)
	}
	v = float64(mantissa)
	switch {
	case exponent == 0:
	case 0 < exponent && exponent < len(powers):
		v *= powers[exponent]
	case 0 < -exponent && -exponent < len(powers):
		v /= powers[-exponent]
	default:
		return anyNumber(b, from)
	}
	if negative {
		v = -v
	}
	return v, i, true
}

// exponentAt reads a sign and one to three digits, as in 1e+06.
func exponentAt(b []byte, i int) (e, end int, ok bool) {
	sign := 1
	switch b[i] {
	case '-':
		sign = -1
		i++
	case '+':
		i++
	}
	first := i
	for ; b[i]-'0' <= 9 && i < first+3; i++ {
		e = e*10 + int(b[i]-'0')
	}
	return sign * e, i, i > first
}

// anyNumber is number for all that strconv reads.
func anyNumber(b []byte, i int) (v float64, end int, ok bool) {
	end = i
	for b[end] != '\n' && b[end] != ' ' && b[end] != '\t' {
		end++
	}
	v, err := parseFloat(b[i:end])
	if err != nil {
		return 0, end, false
	}
	if math.IsNaN(v) {
		v = math.Float64frombits(value.NormalNaN)
	}
	return v, end, true
}

// parseFloat refuses hexadecimal floats and underscores, as Prometheus does.
func parseFloat(text []byte) (float64, error) {
	s := unsafe.String(unsafe.SliceData(text), len(text)) // not kept
	if strings.ContainsAny(s, "pP_") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(s, 64)
}
