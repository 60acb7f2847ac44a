package config

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

const (
	redacted   = "(sensitive)"
	maxSnippet = 160 // characters of a source line that are shown
)

// snippet is the first line of a range, with the part of it that lies in the range marked.
func (l *loader) snippet(f *file, at hcl.Range) *Snippet {
	start := min(at.Start.Byte, len(f.src))
	lineStart := bytes.LastIndexByte(f.src[:start], '\n') + 1
	lineEnd := len(f.src)
	if n := bytes.IndexByte(f.src[start:], '\n'); n >= 0 {
		lineEnd = start + n
	}
	if lineEnd > lineStart && f.src[lineEnd-1] == '\r' {
		lineEnd--
	}
	start = min(start, lineEnd)
	end := max(start, min(at.End.Byte, lineEnd))

	line := redactedLine{}
	line.build(f.src[lineStart:lineEnd], lineStart, l.hiddenIn(f, lineStart, lineEnd))
	code, from, to := line.text, line.offset(start, false), line.offset(end, true)
	s := &Snippet{Context: printable(l.scrub(f.block(at.Start.Byte)))}
	s.Code, s.Start, s.End = l.clean(code, from, to)
	return s
}

// hiddenIn lists the byte ranges of a line that must not be shown, sorted, without overlaps.
func (l *loader) hiddenIn(f *file, lineStart, lineEnd int) (spans [][2]int) {
	for r := range l.hidden {
		if r.Filename == f.name && r.Start.Byte < lineEnd && r.End.Byte > lineStart {
			spans = append(spans, [2]int{max(r.Start.Byte, lineStart), min(r.End.Byte, lineEnd)})
		}
	}
	if f.broken {
		// Nobody knows what the attributes of a file that cannot be parsed are: go by names and looks.
		line := f.src[lineStart:lineEnd]
		if m := secretName.FindSubmatchIndex(line); m != nil {
			spans = append(spans, [2]int{lineStart + m[2], lineEnd})
		}
		for _, m := range keyLike.FindAllIndex(line, -1) {
			if digit.Match(line[m[0]:m[1]]) {
				spans = append(spans, [2]int{lineStart + m[0], lineStart + m[1]})
			}
		}
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var merged [][2]int
	for _, s := range spans {
		if n := len(merged); n > 0 && s[0] <= merged[n-1][1] {
			merged[n-1][1] = max(merged[n-1][1], s[1])
			continue
		}
		if s[0] < s[1] {
			merged = append(merged, s)
		}
	}
	return merged
}

// secretName finds the value on a line that sets something that is called like a secret.
var secretName = regexp.MustCompile(`(?i)(?:key|token|secret|passw(?:or)?d|credentials?|api_url|webhook|authorization|default)"?\s*[=:]\s*(.+)`)

// keyLike finds what could be a key, if there is a digit in it.
var (
	keyLike = regexp.MustCompile(`[A-Za-z0-9_+/=-]{16,}`)
	digit   = regexp.MustCompile(`[0-9]`)
)

// redactedLine is a line with some spans replaced, which still knows where its bytes went.
type redactedLine struct {
	text   string
	pieces []piece
}

// piece is a run of bytes of the line, or a replacement for one.
type piece struct {
	from, to int // in the source
	at, end  int // in the text
	replaced bool
}

func (r *redactedLine) build(line []byte, lineStart int, spans [][2]int) {
	var b strings.Builder
	add := func(from, to int, text string, replaced bool) {
		r.pieces = append(r.pieces, piece{from: from, to: to, at: b.Len(), end: b.Len() + len(text), replaced: replaced})
		b.WriteString(text)
	}
	next := lineStart
	for _, s := range spans {
		add(next, s[0], string(line[next-lineStart:s[0]-lineStart]), false)
		add(s[0], s[1], redacted, true)
		next = s[1]
	}
	add(next, lineStart+len(line), string(line[next-lineStart:]), false)
	r.text = b.String()
}

// offset maps an offset in the source to one in the text; inside of a replaced span to its beginning or its end.
func (r *redactedLine) offset(source int, end bool) int {
	for _, p := range r.pieces {
		if source > p.to || source == p.to && !end {
			continue
		}
		switch {
		case !p.replaced:
			return p.at + source - p.from
		case end && source > p.from:
			return p.end
		default:
			return p.at
		}
	}
	return len(r.text)
}

// clean scrubs the code, makes it printable and not too long, and counts in characters.
func (l *loader) clean(code string, from, to int) (text string, start, end int) {
	before, marked, after := l.scrub(code[:from]), l.scrub(code[from:max(from, to)]), l.scrub(code[max(from, to):])
	if whole := before + marked + after; l.scrub(whole) != whole {
		before, marked, after = "", redacted, "" // a secret across the marks
	}
	before, marked, after = printable(before), printable(marked), printable(after)
	start = utf8.RuneCountInString(before)
	end = start + utf8.RuneCountInString(marked)
	runes := []rune(before + marked + after)
	if cut := start - maxSnippet/4; len(runes) > maxSnippet && cut > 0 {
		runes = append([]rune{'…'}, runes[cut:]...)
		start, end = start-cut+1, end-cut+1
	}
	if len(runes) > maxSnippet {
		runes = append(runes[:maxSnippet:maxSnippet], '…')
	}
	end = min(end, len(runes))
	start = min(start, end)
	if end == start {
		end++ // an empty range still needs a mark
	}
	return string(runes), start, end
}
