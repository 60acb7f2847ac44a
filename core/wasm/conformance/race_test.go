//go:build race

package conformance

// raced: the race detector makes compiling a Go guest twenty times slower, and there is nothing concurrent here.
const raced = true
