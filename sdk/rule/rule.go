// Package rule is what authors write rule modules against.
//
// A rule is a struct whose tagged fields are its parameters and inputs, with one method:
//
//	type Hot struct {
//		Above   float64    `param:"above" default:"80" doc:"degrees Celsius"`
//		Sensors rule.Input `input:"sensors" reduce:"last" doc:"temperatures"`
//	}
//
//	func (h *Hot) Eval(w rule.Window, out *rule.Verdicts) error {
//		for s := range h.Sensors.All() {
//			if v, ok := s.Value(); ok && v > h.Above {
//				out.Active(s.Instance(), v).Threshold(h.Above)
//			} else if ok {
//				out.Healthy(s.Instance(), v)
//			}
//		}
//		return nil
//	}
//
//	func init() { rule.Register(func() rule.Rule { return new(Hot) }) }
//	func main() { rule.Main() }
//
// The same code runs natively in tests (package ruletest) and as a guest of the engine. A guest has no clock, files,
// network or goroutines that outlive a call. What a rule remembers between evaluations it loses by a failure or a restart:
// [Window.First] is true and it starts afresh. A rule that is [Stateful] keeps it.
//
// Series, groups and matchers are worked out once for each generation of series, not at each evaluation. An Eval that
// keeps its scratch slices in the struct allocates nothing.
//
// For what rules have in common there are [Hysteresis], [MofN], [EWMA] and [Memory], which remember; [Input.Sums],
// [Input.Histograms], [Increase], [Regression] and [Spread], which compute.
package rule

import "errors"

// Rule judges one window. A rule is used by one evaluation at a time.
type Rule interface {
	Eval(w Window, out *Verdicts) error
}

// ErrNoVerdict says, returned by Eval, that the data do not suffice: all instances stay in the state they are in.
var ErrNoVerdict = errors.New("no verdict")

// Configurer is a rule that wants to check its parameters, or derive something from them, before the first evaluation.
type Configurer interface {
	Configure() error
}

// Info describes a module in its manifest.
type Info struct {
	Name        string // lower case, digits and _; without it the name of the module's folder
	Version     string
	Description string
	Labels      []string // that verdicts may carry besides those of the series
	Severities  []string // what the numbers given to [Detail.Severity] mean, the mildest first
}

// Describer is a rule that describes its module.
type Describer interface {
	Describe() Info
}

// registered makes the rules of this module. A module is one program with one rule, and a guest's main never runs:
// this is the one place where an init function must leave something behind.
var registered func() Rule

// Register says how to make the rule of this module. Call it from an init function.
func Register(make func() Rule) { registered = make }
