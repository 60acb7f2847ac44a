// Package state is the durable key-value store under everything that must survive a crash: alerts, and what each
// receiver was told of them. It is narrow on purpose, so that another machine may one day keep it.
package state

import (
	"errors"
	"fmt"
	"syscall"
)

// Store keeps values by key. Values are absolute, so committing the same write again is always safe: whoever does not
// know the outcome of a commit may simply repeat it.
//
// All methods may be called concurrently.
type Store interface {
	// Commit writes all values or none and returns when they are durable. A nil value deletes its key. Commits that
	// come while another is being written share the next transaction. Writes must not be changed before it returns.
	Commit(writes map[string][]byte) error

	// Load visits every key that begins with prefix, in the order of the keys, until visit returns an error. The
	// value is valid only during the visit. Visit must not commit.
	Load(prefix string, visit func(key string, value []byte) error) error

	// Notice is nil when all is well. Otherwise it is what an operator must hear of loudly although the store works:
	// a [DamagedError] or an [UnavailableError].
	Notice() error

	// Close waits for commits under way. Those that come later fail with [ErrClosed].
	Close() error
}

// ErrClosed is what a closed store says.
var ErrClosed = errors.New("the state store is closed")

// ErrInUse says that another process holds the store.
var ErrInUse = errors.New("another tocsin uses this data_dir")

// ErrNewer says that the store was written by a release that this one does not understand.
var ErrNewer = errors.New("the state was written by a newer tocsin")

// DamagedError is the [Store.Notice] of a store that began empty, because what was there could not be read.
type DamagedError struct {
	Path  string // what could not be read
	Aside string // where it was put
	Cause error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("state file %s is damaged (%v): it was set aside as %s and this start begins with empty state; "+
		"incidents opened before must be closed by hand", e.Path, e.Cause, e.Aside)
}

func (e *DamagedError) Unwrap() error { return e.Cause }

// UnavailableError is the [Store.Notice] of a store in memory, in the place of one that could not be opened.
type UnavailableError struct{ Cause error }

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the state could not be opened (%v): this start begins with empty state and keeps it in memory only; "+
		"incidents opened before must be closed by hand; start tocsin again when storage works", e.Cause)
}

func (e *UnavailableError) Unwrap() error { return e.Cause }

// Refuses tells that an error is that of a disk that is full, broken or read-only, which is no reason not to run.
func Refuses(err error) bool {
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// check refuses what no store can hold, so that one bad write cannot fail those that share its transaction.
func check(writes map[string][]byte) error {
	const maxKey = 16 << 10 // bytes; bbolt takes 32 KiB
	for key := range writes {
		if key == "" || len(key) > maxKey {
			return fmt.Errorf("commit: a key must have 1 to %d bytes, this one has %d", maxKey, len(key))
		}
	}
	return nil
}
