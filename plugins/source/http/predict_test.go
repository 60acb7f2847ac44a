package httpsource

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// checkPair reads a, b and a again as scrapes of one target, and compares each with a full parse and with the oracle.
func checkPair(t testing.TB, a, b []byte, f format) {
	t.Helper()
	p := &page{honor: true}
	for turn, text := range [][]byte{a, b, a, b} {
		want, wantErr := readText(t, &page{honor: true}, text, f)
		oracled, oracleErr := oracle(text, f)
		if (wantErr == nil) != (oracleErr == nil) {
			t.Fatalf("turn %d: full parse: %v, oracle: %v\n%q", turn, wantErr, oracleErr, text)
		}
		if d := diff(oracled, withoutKinds(want)); d != "" {
			t.Fatalf("turn %d: full parse and oracle differ: %s\n%q", turn, d, text)
		}
		before := p.layout
		got, err := readText(t, p, text, f)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("turn %d: full parse: %v, prediction: %v\na %q\nb %q", turn, wantErr, err, a, b)
		}
		if d := diff(want, got); d != "" {
			t.Fatalf("turn %d: full parse and prediction differ: %s\na %q\nb %q", turn, d, a, b)
		}
		if before != nil && err == nil && before != p.layout && slices.EqualFunc(before.Series, p.layout.Series, func(x, y frame.Series) bool {
			return x.Kind == y.Kind && x.Labels.Equal(y.Labels)
		}) {
			t.Fatalf("turn %d: a new layout for the same series\na %q\nb %q", turn, a, b)
		}
	}
}

const small = `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{code="200",endpoint="/"} 1027
requests_total{code="500",endpoint="/"} 3
requests_total{code="200",endpoint="/a b"} 1.5e+06
# TYPE temperature gauge
temperature -12.5
temperature{room="x"} NaN
# HELP latency Latency.
# TYPE latency histogram
latency_bucket{le="0.1"} 1
latency_bucket{le="1"} 2
latency_bucket{le="+Inf"} 3
latency_sum 1.25
latency_count 3
# TYPE q summary
q{quantile="0.5"} 0.1
q_sum 2
q_count 4
free 7
`

// changes are pages beside small, each with what should come of it: told is whether prediction copes without giving
// the whole page to the parser.
func changes() map[string]struct {
	page string
	told bool
} {
	edit := func(old, new string) string {
		if !strings.Contains(small, old) {
			panic(old)
		}
		return strings.Replace(small, old, new, 1)
	}
	type c = struct {
		page string
		told bool
	}
	return map[string]c{
		"the same":                 {small, true},
		"values":                   {edit("1027", "1028.25"), true},
		"special values":           {edit("-12.5", "+Inf"), true},
		"hex float":                {edit("1027", "0x1p4"), false},
		"number out of range":      {edit("1027", "1e999"), false},
		"underscore":               {edit("1027", "1_027"), false},
		"appended":                 {small + "new 1\nnewer{a=\"b\"} 2\n", true},
		"appended, declared":       {small + "# TYPE new counter\nnew 1\n", true},
		"first removed":            {edit("requests_total{code=\"200\",endpoint=\"/\"} 1027\n", ""), true},
		"removed in the middle":    {edit("temperature -12.5\n", ""), true},
		"last removed":             {edit("free 7\n", ""), true},
		"renamed":                  {edit("temperature -12.5", "heat -12.5"), true},
		"label value changed":      {edit("500", "503"), true},
		"label order changed":      {edit(`code="500",endpoint="/"`, `endpoint="/",code="500"`), true},
		"space in braces":          {edit(`{code="500",`, `{ code = "500" , `), true},
		"two spaces":               {edit("temperature -12.5", "temperature  -12.5"), true},
		"timestamp":                {edit("1027", "1027 1700000000000"), true},
		"two timestamps":           {edit("1027", "1027 1700000000000") + "later 1 5\n", true},
		"bad timestamp":            {edit("1027", "1027 -5"), false},
		"timestamp too large":      {edit("1027", "1027 99999999999999999999"), false},
		"large timestamp":          {edit("1027", "1027 9223372036854775807"), true},
		"spaces after":             {edit("1027", "1027 \t "), true},
		"comment":                  {edit("# TYPE temp", "# just a word\n# TYPE temp"), true},
		"help changed":             {edit("Latency.", "How slow."), true},
		"type changed":             {edit("latency histogram", "latency gauge"), true},
		"type removed":             {edit("# TYPE latency histogram\n", ""), true},
		"type of another family":   {edit("# TYPE temperature gauge", "# TYPE other gauge"), true},
		"bad type":                 {edit("latency histogram", "latency hist"), false},
		"quoted name":              {edit("temperature -12.5", `{"temp.erature",a="b"} -12.5`), true},
		"escapes":                  {edit(`room="x"`, `room="a\"} 5\\\n"`), true},
		"line feed in a value":     {edit(`room="x"`, "room=\"a\n# TYPE x counter\nfree 9\n\""), true},
		"open quote":               {edit(`room="x"`, "room=\"x"), false},
		"duplicate":                {edit("free 7", "free 7\nfree 8"), true},
		"duplicate of the first":   {small + "requests_total{code=\"200\",endpoint=\"/\"} 5\n", true},
		"duplicates with times":    {edit("free 7", "free 7 10\nfree 8 30\nfree 9 20"), true},
		"duplicate by empty label": {edit("free 7", "free 7\nfree{a=\"\"} 8"), true},
		"duplicate label":          {edit("free 7", "free{a=\"1\",a=\"2\"} 7"), false},
		"no name":                  {edit("free 7", `{a="b"} 7`), false},
		"empty name":               {edit("free 7", `{"",a="b"} 7`), false},
		"CRLF":                     {strings.ReplaceAll(small, "\n", "\r\n"), false},
		"no line feed at the end":  {strings.TrimSuffix(small, "\n"), true},
		"cut":                      {small[:len(small)/2], false},
		"NUL":                      {edit("free 7", "free{a=\"\x00\"} 7"), false},
		"NUL at a line":            {edit("free 7", "\x00free 7"), false},
		"not UTF-8":                {edit(`room="x"`, "room=\"\xff\""), false},
		"garbage":                  {"<html>no metrics here</html>\n", false},
		"empty":                    {"", false},
		"blank lines":              {edit("temperature -12.5", "\n \t\ntemperature -12.5"), true},
		"indented":                 {edit("temperature -12.5", "  temperature -12.5"), true},
		"blocks swapped":           {small[strings.Index(small, "# TYPE q"):] + small[:strings.Index(small, "# TYPE q")], true},
		"reversed":                 {reversed(small), true},
	}
}

func reversed(text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n")+"\n", "\n")
	slices.Reverse(lines)
	return strings.Join(lines, "")
}

func TestPredictChanges(t *testing.T) {
	for name, c := range changes() {
		t.Run(name, func(t *testing.T) {
			checkPair(t, []byte(small), []byte(c.page), promText)
			p := &page{honor: true}
			if _, err := readText(t, p, []byte(small), promText); err != nil {
				t.Fatal(err)
			}
			text := []byte(c.page)
			if n := len(text); n > 0 && text[n-1] != '\n' && c.told {
				text = append(text, '\n')
			}
			if _, told := p.predict(text); told != c.told {
				t.Errorf("prediction copes: %v, want %v", told, c.told)
			}
		})
	}
}

const smallOM = `# HELP requests Requests.
# TYPE requests counter
requests_total{code="200"} 1027.0 # {trace_id="KOO5S4vxi0o",span="a1"} 0.67
requests_total{code="500"} 3.0 1700000000.123
requests_created{code="200"} 1.7e9
# TYPE latency histogram
latency_bucket{le="0.1"} 1 # {} 0.05 1700000000.5
latency_bucket{le="+Inf"} 3 1.5 # {a="b"} 9
latency_sum 1.25
latency_count 3
# TYPE wait_seconds gauge
# UNIT wait_seconds seconds
wait_seconds 1
# TYPE build info
build_info{version="1"} 1
# TYPE mode stateset
mode{mode="a"} 1
# EOF
`

func TestPredictOpenMetricsChanges(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(smallOM, old) {
			panic(old)
		}
		return strings.Replace(smallOM, old, new, 1)
	}
	for name, c := range map[string]struct {
		page string
		told bool
	}{
		"the same":               {smallOM, true},
		"exemplar changed":       {edit("KOO5S4vxi0o", "other"), true},
		"exemplar gone":          {edit(` # {} 0.05 1700000000.5`, ""), true},
		"exemplar with escapes":  {edit("KOO5S4vxi0o", `a\"b`), true},
		"exemplar not ASCII":     {edit("KOO5S4vxi0o", `ü`), true},
		"exemplar, quoted name":  {edit("trace_id=", `"trace.id"=`), true},
		"exemplar, comma":        {edit(`span="a1"`, `span="a1",`), true},
		"exemplar, bad value":    {edit(`} 0.67`, `} x`), false},
		"exemplar, bad time":     {edit("1700000000.5", "NaN"), false},
		"exemplar, open":         {edit(`} 0.67`, ` 0.67`), false},
		"exemplar, not UTF-8":    {edit("KOO5S4vxi0o", "\xff"), false},
		"exemplar, no label":     {edit(`span="a1"`, `span`), false},
		"timestamp changed":      {edit("1700000000.123", "1700000001.4567"), true},
		"timestamp gone":         {edit(" 1700000000.123", ""), true},
		"timestamp not a number": {edit("1700000000.123", "NaN"), false},
		"two spaces":             {edit("} 3.0", "}  3.0"), false},
		"space at the end":       {edit("3.0 1700000000.123", "3.0 "), false},
		"tab":                    {edit("1.25", "1.25\t"), false},
		"no end of file":         {strings.TrimSuffix(smallOM, "# EOF\n"), false},
		"end of file, open":      {strings.TrimSuffix(smallOM, "\n"), false},
		"data after it":          {smallOM + "more 1\n", false},
		"end of file too early":  {edit("# TYPE build info", "# EOF\n# TYPE build info"), false},
		"appended":               {edit("# EOF", "more 1\n# EOF"), true},
		"last removed":           {edit("mode{mode=\"a\"} 1\n", ""), true},
		"comment":                {edit("# TYPE latency", "# comment\n# TYPE latency"), false},
		"blank line":             {edit("# TYPE latency", "\n# TYPE latency"), false},
		"unit changed":           {edit("# UNIT wait_seconds seconds\n", ""), true},
		"wrong unit":             {edit("# UNIT wait_seconds seconds", "# UNIT wait_seconds bytes"), false},
		"type changed":           {edit("latency histogram", "latency gaugehistogram"), true},
		"type unknown":           {edit("latency histogram", "latency unknown"), true},
		"after a gauge histogram": {edit("# TYPE latency histogram\nlatency_bucket{le=\"0.1\"} 1 # {} 0.05 1700000000.5\n",
			"# TYPE latency gaugehistogram\n"), true},
	} {
		t.Run(name, func(t *testing.T) {
			checkPair(t, []byte(smallOM), []byte(c.page), openMetrics)
			p := &page{honor: true}
			if _, err := readText(t, p, []byte(smallOM), openMetrics); err != nil {
				t.Fatal(err)
			}
			if _, told := p.predict([]byte(c.page)); told != c.told {
				t.Errorf("prediction copes: %v, want %v", told, c.told)
			}
		})
	}
}

// TestPredictMutations changes lines of real pages at random.
func TestPredictMutations(t *testing.T) {
	for _, exported := range exportedPages(t) {
		if exported.format == protobuf {
			continue
		}
		t.Run(exported.name, func(t *testing.T) {
			for seed := range uint64(6) {
				random := rand.New(rand.NewPCG(seed, 1))
				checkPair(t, exported.text, mutate(random, exported.text, 1+int(seed)*5), exported.format)
			}
		})
	}
}

// mutate changes n lines, most of them so that the page stays a page.
func mutate(random *rand.Rand, text []byte, n int) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	for range n {
		i, j := random.IntN(len(lines)), random.IntN(len(lines))
		switch random.IntN(8) {
		case 0:
			lines = slices.Delete(lines, i, i+1)
		case 1:
			lines[i], lines[j] = lines[j], lines[i]
		case 2:
			lines = slices.Insert(lines, j, lines[i])
		case 3:
			lines = slices.Insert(lines, j, fmt.Appendf(nil, "new_%d{le=\"%d\"} %d\n", random.IntN(9), random.IntN(9), random.IntN(1e6)))
		case 4:
			lines[i] = bytes.Replace(lines[i], []byte(`="`), []byte(`="x`), 1)
		case 5:
			lines = slices.Insert(lines, i, fmt.Appendf(nil, "# TYPE new_%d %s\n", random.IntN(9), []string{"counter", "gauge", "histogram"}[random.IntN(3)]))
		case 6:
			if k := bytes.LastIndexByte(lines[i], ' '); k > 0 && lines[i][0] != '#' {
				lines[i] = fmt.Appendf(lines[i][:k:k], " %g\n", random.NormFloat64())
			}
		case 7:
			if last := min(i+20, len(lines)); last > i && random.IntN(4) == 0 {
				lines = slices.Delete(lines, i, last)
			}
		}
		if len(lines) == 0 {
			break
		}
	}
	return bytes.Join(lines, nil)
}

// FuzzPredict: for any pair of pages prediction and a full parse give the same frame.
func FuzzPredict(f *testing.F) {
	for _, c := range changes() {
		f.Add([]byte(small), []byte(c.page), false)
	}
	f.Add([]byte(smallOM), []byte(strings.Replace(smallOM, "1027", "5", 1)), true)
	f.Add([]byte(smallOM), []byte(strings.Replace(smallOM, "KOO", "LAA", 1)), true)
	f.Fuzz(func(t *testing.T, a, b []byte, om bool) {
		kind := promText
		if om {
			kind = openMetrics
		}
		checkPair(t, a, b, kind)
	})
}

// FuzzPredictEdit cuts and replaces a piece of a page: closer to what happens than two pages of nothing in common.
func FuzzPredictEdit(f *testing.F) {
	f.Add(10, 20, []byte("x"), false)
	f.Add(100, 0, []byte("\nfoo 1\n"), false)
	f.Add(200, 0, []byte(`",b="`), true)
	f.Fuzz(func(t *testing.T, at, length int, piece []byte, om bool) {
		text, kind := small, promText
		if om {
			text, kind = smallOM, openMetrics
		}
		if at < 0 || length < 0 || at > len(text) || length > len(text)-at {
			return
		}
		checkPair(t, []byte(text), []byte(text[:at]+string(piece)+text[at+length:]), kind)
	})
}
