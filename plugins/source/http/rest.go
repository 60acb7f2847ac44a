package httpsource

import "math"

// rest reads what follows a value up to the end of its line: nothing, a timestamp in milliseconds, in OpenMetrics
// also an exemplar. i is where the value ended, next is where the next line begins. stamp is noStamp where there is
// none. Where ok is false the line is for Prometheus' parser: wrong, or an exemplar of a rare form.
func (f format) rest(b []byte, i int) (stamp int64, next int, ok bool) {
	if f == openMetrics {
		return restOpenMetrics(b, i)
	}
	stamp = noStamp
	i = spaces(b, i)
	first := i
	if b[i]-'0' <= 9 {
		for stamp = 0; b[i]-'0' <= 9; i++ {
			stamp = stamp*10 + int64(b[i]-'0')
		}
		if i-first > 18 { // may be more than 64 bits hold
			return 0, 0, false
		}
		i = spaces(b, i)
	}
	return stamp, i + 1, b[i] == '\n'
}

func spaces(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' {
		i++
	}
	return i
}

// restOpenMetrics: one space before each part, timestamps in seconds.
func restOpenMetrics(b []byte, i int) (stamp int64, next int, ok bool) {
	stamp = noStamp
	if b[i] == ' ' && b[i+1] != '#' {
		seconds, end, ok := number(b, i+1)
		if !ok || math.IsNaN(seconds) || math.IsInf(seconds, 0) {
			return 0, 0, false
		}
		stamp, i = int64(seconds*1000), end
	}
	if b[i] == ' ' {
		if i, ok = exemplar(b, i); !ok {
			return 0, 0, false
		}
	}
	return stamp, i + 1, b[i] == '\n'
}

// exemplar passes over an exemplar of the form that client libraries write, from the space before it to the end of
// the line: ` # {trace_id="abc",span_id="def"} 0.5 1.6e9`.
func exemplar(b []byte, i int) (end int, ok bool) {
	if i, ok = literal(b, i, " # {"); !ok {
		return 0, false
	}
	for b[i] != '}' {
		if i, ok = exemplarLabel(b, i); !ok {
			return 0, false
		}
		if b[i] == ',' {
			i++
		} else if b[i] != '}' {
			return 0, false
		}
	}
	if i, ok = literal(b, i, "} "); !ok {
		return 0, false
	}
	if _, i, ok = number(b, i); !ok {
		return 0, false
	}
	if b[i] == ' ' {
		var seconds float64
		if seconds, i, ok = number(b, i+1); !ok || math.IsNaN(seconds) || math.IsInf(seconds, 0) {
			return 0, false
		}
	}
	return i, b[i] == '\n'
}

// exemplarLabel passes over name="value" where the value is printable ASCII without escapes.
func exemplarLabel(b []byte, i int) (end int, ok bool) {
	first := i
	for isLetter(b[i]) || i > first && b[i]-'0' <= 9 {
		i++
	}
	if i == first {
		return 0, false
	}
	if i, ok = literal(b, i, `="`); !ok {
		return 0, false
	}
	for b[i] >= ' ' && b[i] < 0x7f && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i + 1, b[i] == '"'
}

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 || c == '_' }

// literal passes over want. b ends in a line feed and want has none, so that it stays within b.
func literal(b []byte, i int, want string) (end int, ok bool) {
	for k := range len(want) {
		if b[i+k] != want[k] {
			return 0, false
		}
	}
	return i + len(want), true
}
