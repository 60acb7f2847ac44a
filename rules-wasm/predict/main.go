// Command predict is a rule module: a value that will reach a limit before long.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Predict) }) }

func main() { rule.Main() }
