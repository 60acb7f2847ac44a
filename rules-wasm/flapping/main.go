// Command flapping is a rule module: a value that changes too often.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Flapping) }) }

func main() { rule.Main() }
