package config

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/hashicorp/hcl/v2"
)

// templateFunctions are Prometheus' template functions and those of text/template itself.
var templateFunctions = []string{
	"args", "externalURL", "first", "graphLink", "humanize", "humanize1024", "humanizeDuration", "humanizePercentage",
	"humanizeTimestamp", "label", "match", "now", "parseDuration", "pathPrefix", "query", "reReplaceAll", "safeHtml",
	"sortByLabel", "stripDomain", "stripPort", "strvalue", "tableLink", "title", "toDuration", "toLower", "toTime",
	"toUpper", "urlQueryEscape", "value",

	"and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf",
	"println", "slice", "urlquery",
}

// templateVariables are defined before every template.
var templateVariables = []string{"$labels", "$value", "$threshold", "$text", "$externalURL", "$externalLabels"}

// template checks the syntax of a template in an annotation or label of a rule: functions, variables, brackets.
func (l *loader) template(i item, what string) {
	if !strings.Contains(i.text, "{{") {
		return
	}
	functions := map[string]any{}
	for _, name := range templateFunctions {
		functions[name] = true
	}
	var definitions strings.Builder
	for _, v := range templateVariables {
		definitions.WriteString("{{" + v + " := 0}}")
	}
	if _, err := parse.Parse("t", definitions.String()+i.text, "", "", functions); err != nil {
		l.templateError(i, what, err)
	}
}

var (
	templateErr    = regexp.MustCompile(`^template: [^:]*:(\d+):(?:\d+:)? ?(.*)$`)
	noFunction     = regexp.MustCompile(`^function "(.+)" not defined$`)
	noVariable     = regexp.MustCompile(`^undefined variable "(.+)"$`)
	internalPrefix = "template: t:1: "
)

// templateError reports an error of the template parser, at its place as far as the error tells.
func (l *loader) templateError(i item, what string, err error) {
	if i.secret {
		l.errorf(i.expr.Range(), "Invalid template", "%s is not a valid template.", what)
		return
	}
	message, line := strings.TrimPrefix(err.Error(), internalPrefix), 1
	if m := templateErr.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	if m := noFunction.FindStringSubmatch(message); m != nil {
		l.errorf(l.wordIn(i, m[1]), "Unknown template function", "There is no template function %q.%s", m[1], suggestion(m[1], templateFunctions))
		return
	}
	if m := noVariable.FindStringSubmatch(message); m != nil {
		l.errorf(l.wordIn(i, m[1]), "Unknown template variable", "There is no variable %s in templates.%s", m[1], didYouMean(m[1], templateVariables))
		return
	}
	l.errorf(l.lineIn(i, line), "Invalid template", "%s: %s", what, sentence(message))
}

// wordIn is the place of a word inside a template's action, where the source shows it once.
func (l *loader) wordIn(i item, word string) hcl.Range {
	whole := i.expr.Range()
	src := l.textOf(whole)
	var found []int
	for from := 0; ; {
		n := bytes.Index(src[from:], []byte(word))
		if n < 0 {
			break
		}
		start, end := from+n, from+n+len(word)
		if !partOfWord(src, start-1) && !partOfWord(src, end) {
			found = append(found, start)
		}
		from = end
	}
	if len(found) != 1 {
		return whole
	}
	start := whole.Start.Byte + found[0]
	return rangeAt(l.files[whole.Filename].src, whole.Filename, start, start+len(word))
}

func partOfWord(src []byte, i int) bool {
	if i < 0 || i >= len(src) {
		return false
	}
	c := src[i]
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// lineIn is the place of a line of a template that stands in a heredoc, else of the whole of it.
func (l *loader) lineIn(i item, line int) hcl.Range {
	whole := i.expr.Range()
	src := l.textOf(whole)
	if !bytes.HasPrefix(src, []byte("<<")) {
		return whole
	}
	lines := bytes.SplitAfter(src, []byte{'\n'})
	if line >= len(lines) {
		return whole
	}
	start := whole.Start.Byte
	for _, before := range lines[:line] {
		start += len(before)
	}
	text := lines[line]
	indent := len(text) - len(bytes.TrimLeft(text, " \t"))
	return rangeAt(l.files[whole.Filename].src, whole.Filename, start+indent, start+len(bytes.TrimRight(text, "\r\n")))
}

// templates checks every string of a map.
func (l *loader) templates(items []item, what string) {
	for _, i := range slices.Clone(items) {
		l.template(i, what+"."+i.key)
	}
}
