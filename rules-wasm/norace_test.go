//go:build !race

package ruleswasm_test

const raced = false
