package config

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Severity of a [Diagnostic].
type Severity string

// Severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one complaint, without secrets.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Range    *Range   `json:"range,omitempty"`   // nil: about no place in particular
	Snippet  *Snippet `json:"snippet,omitempty"` // nil: the source is not there
}

// Snippet is the source line that a diagnostic is about, with values that must not be shown replaced.
type Snippet struct {
	Context string `json:"context,omitempty"` // the header of the block around it
	Code    string `json:"code"`
	Start   int    `json:"start"` // of the fault, in characters of Code
	End     int    `json:"end"`   // exclusive, more than Start
}

// Diagnostics are all complaints about a configuration, in the order of files and lines.
type Diagnostics []Diagnostic

// HasErrors tells whether one of the diagnostics is an error.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Write prints the diagnostics for people: each with its place, the source line with the fault marked, and the detail
// wrapped at width columns (0: not at all).
func (ds Diagnostics) Write(w io.Writer, color bool, width int) error {
	var b strings.Builder
	for _, d := range ds {
		d.write(&b, color, width)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write diagnostics: %w", err)
	}
	return nil
}

func (d Diagnostic) write(b *strings.Builder, color bool, width int) {
	title, tint, bold, plain := "Error", "", "", ""
	if d.Severity == Warning {
		title = "Warning"
	}
	if color {
		tint, bold, plain = "\x1b[31m", "\x1b[1m", "\x1b[0m"
		if d.Severity == Warning {
			tint = "\x1b[33m"
		}
	}
	fmt.Fprintf(b, "%s%s:%s %s%s%s\n\n", tint, title, plain, bold, d.Summary, plain)
	if d.Range != nil {
		fmt.Fprintf(b, "  on %s", d.Range)
		if d.Snippet != nil && d.Snippet.Context != "" {
			fmt.Fprintf(b, ", in %s", d.Snippet.Context)
		}
		b.WriteString(":\n")
	}
	if d.Range != nil && d.Snippet != nil {
		s := d.Snippet
		fmt.Fprintf(b, "%4d: %s\n", d.Range.Line, s.Code)
		code := []rune(s.Code)
		pad := strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return ' '
		}, string(code[:s.Start]))
		fmt.Fprintf(b, "      %s%s%s%s\n", pad, tint, strings.Repeat("^", s.End-s.Start), plain)
	}
	if d.Range != nil {
		b.WriteString("\n")
	}
	if d.Detail != "" {
		fmt.Fprintf(b, "%s\n\n", wrap(d.Detail, width))
	}
}

// wrap breaks text at spaces so that lines have at most width characters where that is possible.
func wrap(text string, width int) string {
	if width <= 0 {
		return text
	}
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		column := 0
		for j, word := range strings.Split(line, " ") {
			n := utf8.RuneCountInString(word)
			switch {
			case j == 0:
			case column+1+n > width:
				b.WriteByte('\n')
				column = 0
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
	}
	return b.String()
}

// absence marks diagnostics about something that is missing, which is no news while a file is broken: it may stand there.
type absence struct{}

// report adds diagnostics.
func (l *loader) report(diags ...*hcl.Diagnostic) { l.diags = append(l.diags, diags...) }

// errorf adds an error at a place (the zero range: no place).
func (l *loader) errorf(at hcl.Range, summary, format string, args ...any) {
	l.report(diagnostic(hcl.DiagError, at, summary, fmt.Sprintf(format, args...)))
}

// warnf adds a warning at a place.
func (l *loader) warnf(at hcl.Range, summary, format string, args ...any) {
	l.report(diagnostic(hcl.DiagWarning, at, summary, fmt.Sprintf(format, args...)))
}

// missingf adds an error about something that is not there.
func (l *loader) missingf(at hcl.Range, summary, format string, args ...any) {
	d := diagnostic(hcl.DiagError, at, summary, fmt.Sprintf(format, args...))
	d.Extra = absence{}
	l.report(d)
}

func diagnostic(severity hcl.DiagnosticSeverity, at hcl.Range, summary, detail string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail}
	if at.Filename != "" {
		d.Subject = &at
	}
	return d
}

// finish turns what was collected into diagnostics that can be shown. Of a file with syntax errors only these are kept:
// the rest would be their consequences.
func (l *loader) finish() Diagnostics {
	all := tidySyntax(l.syntax)
	for _, d := range l.diags {
		if _, missing := d.Extra.(absence); missing && l.partial {
			continue
		}
		if d.Subject != nil {
			if f := l.files[d.Subject.Filename]; f != nil && f.broken {
				continue
			}
		}
		all = append(all, d)
	}
	rank := map[string]int{}
	for i, name := range l.order {
		rank[name] = i + 1
	}
	slices.SortStableFunc(all, func(a, b *hcl.Diagnostic) int {
		x, y := subject(a), subject(b)
		return cmp.Or(cmp.Compare(rank[x.Filename], rank[y.Filename]), cmp.Compare(x.Start.Byte, y.Start.Byte),
			cmp.Compare(x.End.Byte, y.End.Byte), cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail, b.Detail))
	})
	var diags Diagnostics
	for i, d := range all {
		if i > 0 && subject(all[i-1]) == subject(d) && all[i-1].Summary == d.Summary && all[i-1].Detail == d.Detail {
			continue
		}
		diags = append(diags, l.present(d))
	}
	return diags
}

// tidySyntax improves on what the parser says, and leaves out what it repeats.
func tidySyntax(diags hcl.Diagnostics) (all hcl.Diagnostics) {
	unclosed := map[string]bool{}
	for _, d := range diags {
		switch d.Summary {
		case "Invalid multi-line string": // an unclosed one makes every line after it one of these
			if unclosed[subject(d).Filename] {
				continue
			}
			unclosed[subject(d).Filename] = true
		case "Invalid single-argument block definition":
			better := *d
			better.Detail = "A block on one line holds one argument. Put each argument, and the closing brace, on a line of its own."
			d = &better
		}
		all = append(all, d)
	}
	return all
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

// present makes a diagnostic of this package, with secrets hidden.
func (l *loader) present(d *hcl.Diagnostic) Diagnostic {
	result := Diagnostic{Severity: Error, Summary: printable(l.scrub(d.Summary)), Detail: printable(l.scrub(d.Detail))}
	if d.Severity == hcl.DiagWarning {
		result.Severity = Warning
	}
	if d.Subject != nil {
		at := rangeOf(*d.Subject)
		result.Range = &at
		if f := l.files[d.Subject.Filename]; f != nil && f.src != nil {
			result.Snippet = l.snippet(f, *d.Subject)
		}
	}
	return result
}

// printable replaces control characters, which a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, text)
}
