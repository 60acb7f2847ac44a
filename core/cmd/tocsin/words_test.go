package main

import (
	"slices"
	"strings"
	"testing"
)

func TestMatchersOf(t *testing.T) {
	for _, c := range []struct{ words, want []string }{
		{nil, nil},
		{[]string{"Down"}, []string{`alertname="Down"`}},
		{[]string{"Down", "host!=db1"}, []string{`alertname="Down"`, `host!="db1"`}},
		{[]string{`Down{host="db1",a=~"x{2}"}`}, []string{`alertname="Down"`, `host="db1"`, `a=~"x{2}"`}},
		{[]string{`{host="db1"}`}, []string{`host="db1"`}},
		{[]string{"alertname=~D.*"}, []string{`alertname=~"D.*"`}},
		{[]string{`"a b"=c`}, []string{`"a b"="c"`}},
		{[]string{"Two words"}, []string{`alertname="Two words"`}},
	} {
		if got, err := matchersOf(c.words); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q (%v), want %q", c.words, got, err, c.want)
		}
	}
	for _, words := range [][]string{{"a=b", "c"}, {"Down{host="}, {"a=~("}, {"{}x"}, {`Down{a="b"`}} {
		if got, err := matchersOf(words); err == nil {
			t.Errorf("%q: got %q, want an error", words, got)
		}
	}
}

// What others write does not move the cursor of a terminal.
func TestOneLine(t *testing.T) {
	if got := oneLine("a\x1b[2J\r\n\u009bb" + strings.Repeat("é", 200)); strings.ContainsAny(got, "\x1b\r\n\u009b") || len([]rune(got)) != 121 {
		t.Errorf("got %q of %d", got, len([]rune(got)))
	}
}
