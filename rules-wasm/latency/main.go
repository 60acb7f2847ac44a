// Command latency is a rule module: a quantile of a histogram beyond a limit.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Latency) }) }

func main() { rule.Main() }
