// Command change is a rule module: a value that is not what it was a while ago.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Change) }) }

func main() { rule.Main() }
