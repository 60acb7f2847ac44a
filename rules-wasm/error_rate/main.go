// Command error_rate is a rule module: which share of requests fails, for each group of series.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(ErrorRate) }) }

func main() { rule.Main() }
