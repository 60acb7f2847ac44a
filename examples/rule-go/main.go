// Command hot is a rule module: a series is active while its value is above a limit.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Hot) }) }

func main() { rule.Main() }
