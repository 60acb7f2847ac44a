package wat

import (
	"fmt"
	"strings"
)

// node is an atom, a string or a list.
type node struct {
	atom   string // "" for a list or string
	quoted bool   // text holds the bytes of a string
	text   string
	list   []node
	line   int
}

func (n *node) isList() bool { return n.atom == "" && !n.quoted }

// head is the first atom of a list.
func (n *node) head() string {
	if n.isList() && len(n.list) > 0 {
		return n.list[0].atom
	}
	return ""
}

// syntaxError ends the assembly.
type syntaxError struct {
	line int
	text string
}

func fail(line int, format string, args ...any) {
	panic(syntaxError{line, fmt.Sprintf(format, args...)})
}

type parser struct {
	src  string
	at   int
	line int
}

// space passes over blanks and comments.
func (p *parser) space() {
	for p.at < len(p.src) {
		rest := p.src[p.at:]
		switch {
		case rest[0] == '\n':
			p.line++
			p.at++
		case rest[0] == ' ', rest[0] == '\t', rest[0] == '\r':
			p.at++
		case strings.HasPrefix(rest, ";;"):
			if p.at += strings.IndexByte(rest+"\n", '\n'); p.at > len(p.src) {
				p.at = len(p.src)
			}
		case strings.HasPrefix(rest, "(;"):
			end := strings.Index(rest, ";)")
			if end < 0 {
				fail(p.line, "a comment is not closed")
			}
			p.line += strings.Count(rest[:end], "\n")
			p.at += end + 2
		default:
			return
		}
	}
}

// node reads the next item; ok is false at the end of a list or of the text.
func (p *parser) node() (n node, ok bool) {
	p.space()
	if p.at >= len(p.src) || p.src[p.at] == ')' {
		return node{}, false
	}
	n.line = p.line
	switch p.src[p.at] {
	case '(':
		p.at++
		for {
			item, ok := p.node()
			if !ok {
				break
			}
			n.list = append(n.list, item)
		}
		if p.at >= len(p.src) {
			fail(n.line, "a list is not closed")
		}
		p.at++
	case '"':
		n.quoted, n.text = true, p.quoted()
	default:
		end := strings.IndexAny(p.src[p.at:], " \t\r\n()\";")
		if end < 0 {
			end = len(p.src) - p.at
		}
		if end == 0 {
			fail(p.line, "%q is not expected", p.src[p.at])
		}
		n.atom = p.src[p.at : p.at+end]
		p.at += end
	}
	return n, true
}

// quoted reads a string: bytes as they are, or \n, \t, \", \\ and two hexadecimal digits.
func (p *parser) quoted() string {
	var out strings.Builder
	for p.at++; p.at < len(p.src); p.at++ {
		switch c := p.src[p.at]; c {
		case '"':
			p.at++
			return out.String()
		case '\\':
			p.at++
			rest := p.src[p.at:]
			if i := strings.IndexByte(`nt"\`, (rest + " ")[0]); i >= 0 {
				out.WriteByte("\n\t\"\\"[i])
				continue
			}
			var b byte
			if len(rest) < 2 {
				fail(p.line, "a string ends too early")
			}
			if _, err := fmt.Sscanf(rest[:2], "%02x", &b); err != nil {
				fail(p.line, "escape \\%s is not known", rest[:2])
			}
			out.WriteByte(b)
			p.at++
		default:
			out.WriteByte(c)
		}
	}
	fail(p.line, "a string is not closed")
	return ""
}

// Quote writes bytes as a string of the text format.
func Quote(b []byte) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range b {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&out, `\%02x`, c)
		} else {
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
