// Command grow is a rule module that does not end by itself.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(hostile) }) }

func main() { rule.Main() }

type hostile struct {
	Requests rule.Input `input:"requests" window:"5m" doc:"what it is given and ignores"`
}

func (*hostile) Describe() rule.Info { return rule.Info{Name: "grow", Version: "1.0.0"} }

// kept keeps what Eval allocates from being collected.
var kept [][]byte

func (*hostile) Eval(rule.Window, *rule.Verdicts) error {
	for {
		kept = append(kept, make([]byte, 1<<20))
	}
}
