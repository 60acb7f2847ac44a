// Command anomaly is a rule module: a value far from what it used to be.
package main

import "github.com/tocsinhq/tocsin/sdk/rule"

func init() { rule.Register(func() rule.Rule { return new(Anomaly) }) }

func main() { rule.Main() }
