//go:build race

package ruleswasm_test

// raced: the race detector makes compiling a Go guest twenty times slower.
const raced = true
