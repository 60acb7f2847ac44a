//go:build race

package wasm_test

// raced: the race detector makes compiling a Go guest twenty times slower.
const raced = true
