// Command absent is a rule module: what was there and is gone.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Absent) }) }

func main() { rule.Main() }
