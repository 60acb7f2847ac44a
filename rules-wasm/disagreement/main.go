// Command disagreement is a rule module: one of a fleet that differs from the others.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Disagreement) }) }

func main() { rule.Main() }
