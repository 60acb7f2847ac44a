//go:build unix && !linux

package wasm

func small([]byte) {}
