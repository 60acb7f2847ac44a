package rule

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Matcher selects series by one label, in PromQL's notation: code=~'5..', job="api", env!='dev', path!~"/x/.*".
// As there, an expression must match the whole value, and a label that is absent has the value "".
// Use it as the type of a parameter and pass it to [Input.Match].
type Matcher string

// Check tells what is wrong with the notation.
func (m Matcher) Check() error {
	_, err := parseMatcher(string(m))
	return err
}

// parsed is a matcher that can be asked.
type parsed struct {
	name  string
	value string
	not   bool
	re    *regexp.Regexp // nil: equality
}

func (p *parsed) matches(value string) bool {
	if p.re != nil {
		return p.re.MatchString(value) != p.not
	}
	return (value == p.value) != p.not
}

func parseMatcher(text string) (*parsed, error) {
	bad := func(what string) (*parsed, error) {
		return nil, errors.New("matcher " + strconv.Quote(text) + ": " + what + "; write it like code=~'5..'")
	}
	s := strings.TrimSpace(text)
	at := strings.IndexAny(s, "=!")
	if at <= 0 {
		return bad("no label name and operator")
	}
	p := &parsed{name: strings.TrimSpace(s[:at])}
	if !isLabelName(p.name) {
		return bad("the label name is not one")
	}
	rest, isRegexp := s[at:], false
	switch {
	case strings.HasPrefix(rest, "=~"):
		rest, isRegexp = rest[2:], true
	case strings.HasPrefix(rest, "!~"):
		rest, isRegexp, p.not = rest[2:], true, true
	case strings.HasPrefix(rest, "!="):
		rest, p.not = rest[2:], true
	case strings.HasPrefix(rest, "="):
		rest = rest[1:]
	default:
		return bad("the operator must be =, !=, =~ or !~")
	}
	value, ok := unquote(strings.TrimSpace(rest))
	if !ok {
		return bad("the value must be in quotes")
	}
	p.value = value
	if isRegexp {
		re, err := regexp.Compile("^(?s:" + value + ")$")
		if err != nil {
			return bad(err.Error())
		}
		p.re = re
	}
	return p, nil
}

func isLabelName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// unquote reads a string in ", ' or ` as PromQL does.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != s[len(s)-1] {
		return "", false
	}
	quote, s := s[0], s[1:len(s)-1]
	switch quote {
	case '`':
		return s, !strings.Contains(s, "`")
	case '"', '\'':
	default:
		return "", false
	}
	var b strings.Builder
	for s != "" {
		if s[0] == quote || s[0] == '\n' {
			return "", false
		}
		c, multibyte, tail, err := strconv.UnquoteChar(s, quote)
		if err != nil {
			return "", false
		}
		s = tail
		if c < utf8.RuneSelf || !multibyte {
			b.WriteByte(byte(c))
		} else {
			b.WriteRune(c)
		}
	}
	return b.String(), true
}

// Selects tells whether a label set matches. It reads the notation each time: in a rule use [Input.Match].
func (m Matcher) Selects(labels frame.Labels) bool {
	p, err := parseMatcher(string(m))
	return err == nil && p.matches(labels.Get(p.name))
}
