// Command seasonal is a rule module: a value far from what it is at this hour.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Seasonal) }) }

func main() { rule.Main() }
