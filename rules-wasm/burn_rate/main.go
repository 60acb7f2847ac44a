// Command burn_rate is a rule module: an error budget is spent too fast.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(BurnRate) }) }

func main() { rule.Main() }
