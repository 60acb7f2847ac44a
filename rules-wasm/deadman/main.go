// Command deadman is a rule module: something that should move and does not.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Deadman) }) }

func main() { rule.Main() }
