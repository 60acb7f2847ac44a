package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Limits on files, checked before they are parsed. The parser and the evaluator recurse, and Go cannot recover from a
// stack overflow: deeper input would end the process (hashicorp/hcl#809).
const (
	maxFileBytes  = 1 << 20
	maxTotalBytes = 16 << 20
	maxDepth      = 100 // of brackets, templates and template directives
	maxUnary      = 100 // ! and - in a row
	maxOperators  = 500 // operators and indexes in one expression: its tree is as deep
	maxLoops      = 3   // for expressions inside each other
	maxDigits     = 100 // characters of a number
	maxExponent   = 400 // float64 ends at 308
)

// guard returns what makes the source unfit for parsing, nil if nothing does.
func guard(src []byte, filename string) *hcl.Diagnostic {
	if d := guardText(src, filename); d != nil {
		return d
	}
	if isJSON(filename) {
		return guardJSON(src, filename)
	}
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos)
	return guardTokens(tokens)
}

// guardText checks size and encoding.
func guardText(src []byte, filename string) *hcl.Diagnostic {
	if len(src) > maxFileBytes {
		return tooBig(filename)
	}
	if !utf8.Valid(src) {
		good := 0
		for good < len(src) {
			r, size := utf8.DecodeRune(src[good:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			good += size
		}
		return refusal("Invalid encoding", rangeAt(src, filename, good, good+1), "Configuration files are UTF-8, this byte is not.")
	}
	return nil
}

func tooBig(filename string) *hcl.Diagnostic {
	return refusal("File too big", wholeFile(filename), "A configuration file may have 1 MiB. Split it: all *.hcl files of a directory are read as one configuration.")
}

func refusal(summary string, at hcl.Range, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}

// level is one open bracket, quote or template sequence.
type level struct {
	closes    hclsyntax.TokenType
	open      hcl.Range
	operators int
	loop      bool
}

// depthGuard follows the tokens of a file with a stack of what is open.
type depthGuard struct {
	stack      []level // stack[0] is the file
	directives int     // open %{ if } and %{ for }
	loops      int
	unary      int
	last       hclsyntax.TokenType
}

func guardTokens(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	g := depthGuard{stack: []level{{}}}
	for _, t := range tokens {
		if d := g.next(t); d != nil {
			return d
		}
	}
	return nil
}

var closing = map[hclsyntax.TokenType]hclsyntax.TokenType{
	hclsyntax.TokenOBrace:          hclsyntax.TokenCBrace,
	hclsyntax.TokenOBrack:          hclsyntax.TokenCBrack,
	hclsyntax.TokenOParen:          hclsyntax.TokenCParen,
	hclsyntax.TokenOQuote:          hclsyntax.TokenCQuote,
	hclsyntax.TokenOHeredoc:        hclsyntax.TokenCHeredoc,
	hclsyntax.TokenTemplateInterp:  hclsyntax.TokenTemplateSeqEnd,
	hclsyntax.TokenTemplateControl: hclsyntax.TokenTemplateSeqEnd,
}

func (g *depthGuard) next(t hclsyntax.Token) *hcl.Diagnostic {
	top := &g.stack[len(g.stack)-1]
	before := g.last
	if t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment {
		g.last = t.Type
	}
	switch t.Type {
	case hclsyntax.TokenBang, hclsyntax.TokenMinus:
		if g.unary++; g.unary > maxUnary {
			return refusal("Nesting too deep", t.Range, "There are more than %d unary operators in a row.", maxUnary)
		}
		top.operators++
	case hclsyntax.TokenNewline, hclsyntax.TokenComment:
		if top.closes == hclsyntax.TokenCBrace || top.closes == 0 {
			top.operators = 0
		}
		return nil
	default:
		g.unary = 0
	}
	switch t.Type {
	case hclsyntax.TokenComma:
		top.operators = 0
	case hclsyntax.TokenNumberLit:
		return guardNumber(string(t.Bytes), t.Range)
	case hclsyntax.TokenIdent:
		return g.keyword(t, before, top)
	case hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPlus, hclsyntax.TokenPercent,
		hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd, hclsyntax.TokenOr,
		hclsyntax.TokenQuestion, hclsyntax.TokenDot, hclsyntax.TokenDoubleColon:
		top.operators++
	case hclsyntax.TokenOBrack:
		switch before { // an index: the tree grows with each
		case hclsyntax.TokenIdent, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCBrace, hclsyntax.TokenStar, hclsyntax.TokenNumberLit:
			top.operators++
		}
	}
	if top.operators > maxOperators {
		return refusal("Expression too long", t.Range, "There are more than %d operators in this expression. Split it into locals.", maxOperators)
	}
	if closes, opens := closing[t.Type]; opens {
		g.stack = append(g.stack, level{closes: closes, open: t.Range})
		if len(g.stack)-1+g.directives > maxDepth {
			return refusal("Nesting too deep", t.Range, "Brackets, blocks and templates may be nested %d deep.", maxDepth)
		}
		return nil
	}
	// A bracket of the wrong kind closes nothing: the parser goes on inside what is open.
	if len(g.stack) > 1 && t.Type == top.closes {
		if top.loop {
			g.loops--
		}
		g.stack = g.stack[:len(g.stack)-1]
	}
	return nil
}

// keyword counts loops and template directives, which nest without brackets around them.
func (g *depthGuard) keyword(t hclsyntax.Token, before hclsyntax.TokenType, top *level) *hcl.Diagnostic {
	word := string(t.Bytes)
	if word == "for" && (before == hclsyntax.TokenOBrack || before == hclsyntax.TokenOBrace || before == hclsyntax.TokenTemplateControl) {
		if before != hclsyntax.TokenTemplateControl {
			top.loop = true
		}
		if g.loops++; g.loops > maxLoops {
			return refusal("Nesting too deep", t.Range, "Loops (for) may be nested %d deep.", maxLoops)
		}
	}
	if before != hclsyntax.TokenTemplateControl {
		return nil
	}
	switch word {
	case "if", "for":
		g.directives++
	case "endfor":
		g.loops = max(0, g.loops-1)
		g.directives = max(0, g.directives-1)
	case "endif":
		g.directives = max(0, g.directives-1)
	}
	if len(g.stack)-1+g.directives > maxDepth {
		return refusal("Nesting too deep", t.Range, "Template directives may be nested %d deep.", maxDepth)
	}
	return nil
}

// guardNumber refuses numbers that take gigabytes when they are written out.
func guardNumber(text string, at hcl.Range) *hcl.Diagnostic {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	n, err := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
	if exponent == "" {
		n, err = 0, nil
	}
	if len(text) > maxDigits || err != nil || n > maxExponent || n < -maxExponent {
		return refusal("Number out of range", at, "Numbers have at most %d characters and exponents up to %d.", maxDigits, maxExponent)
	}
	return nil
}

// guardJSON checks the depth of the document and of the templates in its strings.
func guardJSON(src []byte, filename string) *hcl.Diagnostic {
	if d := guardJSONDepth(src, filename); d != nil {
		return d
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		end := int(dec.InputOffset())
		if err != nil {
			return refusal("Invalid JSON", rangeAt(src, filename, end, end+1), "%s", sentence(err.Error()))
		}
		switch token := token.(type) {
		case json.Number:
			if d := guardNumber(token.String(), rangeAt(src, filename, end-len(token), end)); d != nil {
				return d
			}
		case string:
			tokens, _ := hclsyntax.LexTemplate([]byte(token), filename, hcl.InitialPos)
			if d := guardTokens(tokens); d != nil {
				at := rangeAt(src, filename, max(0, end-len(token)-1), end)
				d.Subject = &at
				return d
			}
		}
	}
}

// guardJSONDepth counts brackets outside of strings, whether they match or not.
func guardJSONDepth(src []byte, filename string) *hcl.Diagnostic {
	depth, inString := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return refusal("Nesting too deep", rangeAt(src, filename, i, i+1), "Objects and lists may be nested %d deep.", maxDepth)
			}
		case c == '}' || c == ']':
			depth = max(0, depth-1)
		}
	}
	return nil
}

// guardExpression is guard for text that is parsed as one expression.
func guardExpression(src string) error {
	if d := guardText([]byte(src), ""); d != nil {
		return errors.New(d.Detail)
	}
	tokens, _ := hclsyntax.LexExpression([]byte(src), "", hcl.InitialPos)
	if d := guardTokens(tokens); d != nil {
		return errors.New(d.Detail)
	}
	return nil
}

// rangeAt is the range of src[start:end].
func rangeAt(src []byte, filename string, start, end int) hcl.Range {
	start, end = min(start, len(src)), min(end, len(src))
	return hcl.Range{Filename: filename, Start: posAt(src, start), End: posAt(src, max(start, end))}
}

func posAt(src []byte, offset int) hcl.Pos {
	before := src[:offset]
	newline := bytes.LastIndexByte(before, '\n')
	return hcl.Pos{Line: 1 + bytes.Count(before, []byte{'\n'}), Column: 1 + utf8.RuneCount(before[newline+1:]), Byte: offset}
}

func wholeFile(filename string) hcl.Range {
	return hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos}
}

func isJSON(filename string) bool {
	return strings.HasSuffix(filename, ".json")
}
