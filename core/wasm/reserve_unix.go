//go:build unix

package wasm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reserve takes address space outside Go's heap: the collector would count it as if it were in use.
func reserve(size int) ([]byte, error) {
	space, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes for a rule module: %w", size, err)
	}
	small(space)
	return space, nil
}

func release(space []byte) { _ = unix.Munmap(space) }
