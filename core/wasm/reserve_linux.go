package wasm

import "golang.org/x/sys/unix"

// small keeps the kernel from backing a few touched pages with pages of 2 MiB.
func small(space []byte) { _ = unix.Madvise(space, unix.MADV_NOHUGEPAGE) }
