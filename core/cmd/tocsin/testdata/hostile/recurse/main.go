// Command recurse is a rule module that does not end by itself.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(hostile) }) }

func main() { rule.Main() }

type hostile struct {
	Requests rule.Input `input:"requests" window:"5m" doc:"what it is given and ignores"`
}

func (*hostile) Describe() rule.Info { return rule.Info{Name: "recurse", Version: "1.0.0"} }

func (h *hostile) Eval(w rule.Window, out *rule.Verdicts) error {
	var frame [64]int
	deeper(&frame)
	return nil
}

//go:noinline
func deeper(from *[64]int) int {
	next := *from
	next[0]++
	return deeper(&next) + next[0] //nolint:staticcheck // this is what it is here for
}
