// Command threshold is a rule module: a value is compared with a limit, with hysteresis.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Threshold) }) }

func main() { rule.Main() }
