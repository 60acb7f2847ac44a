package wasm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"
)

// Class says what went wrong, for whoever branches on it.
type Class string

// The classes.
const (
	FuelExhausted Class = "fuel_exhausted" // a loop or call tree without end, or too much data for the budget
	StackOverflow Class = "stack_overflow" // recursion without end
	MemoryLimit   Class = "memory_limit"   // the guest wanted more memory than it may have
	Trap          Class = "trap"           // it crashed
	GuestFailed   Class = "guest_failed"   // it said itself that it cannot go on
	BadResult     Class = "bad_result"     // it broke the contract: pointers, results
	BadModule     Class = "bad_module"     // it cannot be loaded

	// NotDeterministic: the same evaluations ended differently in two instances. See Options.Verify.
	NotDeterministic Class = "not_deterministic"
)

// Error is a failure of a module or of a rule.
type Error struct {
	Class  Class
	Module string
	Rule   string // "" while a module is loaded
	Detail string
}

func (e *Error) Error() string {
	if e.Rule == "" {
		return fmt.Sprintf("rule module %s: %s", e.Module, e.Detail)
	}
	return fmt.Sprintf("rule %s (module %s): %s", e.Rule, e.Module, e.Detail)
}

// failure is an error of an instance, before it is known which rule and module it belongs to.
type failure struct {
	class  Class
	detail string
}

func (f *failure) Error() string { return f.detail }

func failed(class Class, format string, args ...any) error {
	return &failure{class, fmt.Sprintf(format, args...)}
}

// during says what was going on when an instance failed.
func during(what string, err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return &failure{f.class, what + ": " + f.detail}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// named turns an error of an instance into one for people.
func (m *Module) named(rule string, err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return &Error{Class: f.class, Module: m.name, Rule: rule, Detail: f.detail}
	}
	return &Error{Class: Trap, Module: m.name, Rule: rule, Detail: err.Error()}
}

// classify says why a call of the guest ended early. What the meter and the allocator have seen counts more than the
// kind of trap that the guest made of it.
func (in *instance) classify(err error) error {
	said := in.lastWords()
	refused := ""
	if in.memory.refused > 0 {
		refused = fmt.Sprintf("; growth beyond %s was refused %d times (last: %s)",
			in.memory.bound(), in.memory.refused, bytesText(int64(in.memory.wanted)))
	}
	exit, exited := errors.AsType[*sys.ExitError](err)
	starved := in.fuel.metered() && in.fuel.left() < 0
	last := string(in.stderr.last) // of a Go guest that dies, which may run out of fuel while it writes its last words
	switch {
	case strings.Contains(last, "runtime.newstack") || strings.Contains(last, "stack overflow"),
		!exited && !starved && strings.Contains(firstLine(err.Error()), "stack overflow"):
		return failed(StackOverflow, "stack overflow: the recursion is too deep%s%s", refused, quoted(said))
	case starved && (refused == "" || !strings.Contains(last, "out of memory")):
		return failed(FuelExhausted, "fuel exhausted (budget %d)%s", in.budget, refused)
	case refused != "":
		return failed(MemoryLimit, "out of memory%s%s", refused, quoted(said))
	case exited:
		return failed(Trap, "the guest exited with code %d%s", exit.ExitCode(), quoted(said))
	}
	return failed(Trap, "the guest trapped: %s%s", strings.TrimPrefix(firstLine(err.Error()), "wasm error: "), quoted(said))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSuffix(line, " (recovered by wazero)")
}

// lastWords is what the guest wrote to its standard error or passed to fail, shortened for a message.
func (in *instance) lastWords() string {
	words := in.message
	if words == "" {
		words = strings.TrimSpace(string(in.stderr.last))
	}
	for _, trace := range []string{"\n\ngoroutine ", "\n\nruntime stack:"} { // of a Go guest: no place for it in one line
		words, _, _ = strings.Cut(words, trace)
	}
	return strings.ToValidUTF8(words[:min(len(words), 500)], "?")
}

func quoted(words string) string {
	if words == "" {
		return ""
	}
	return fmt.Sprintf("; the guest said: %q", words)
}
