// Command loop is a rule module that does not end by itself.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(hostile) }) }

func main() { rule.Main() }

type hostile struct {
	Requests rule.Input `input:"requests" window:"5m" doc:"what it is given and ignores"`
}

func (*hostile) Describe() rule.Info { return rule.Info{Name: "loop", Version: "1.0.0"} }

func (*hostile) Eval(rule.Window, *rule.Verdicts) error {
	for { //nolint:staticcheck // this is what it is here for
	}
}
