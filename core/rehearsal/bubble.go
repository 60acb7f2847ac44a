package rehearsal

import (
	"flag"
	"testing"
	"testing/synctest"
)

// Bubble runs a function, and all goroutines that it starts, on a clock of their own, and returns when all of them have
// ended. The clock begins at midnight UTC 2000-01-01 and moves when, and only when, all of them wait; then it jumps to
// the next timer. So hours pass in milliseconds, nothing happens "at about" a time, and the code on the clock is the
// production code: it calls time.Now and time.NewTimer as ever.
//
// This is what testing/synctest does. It can only be had from a running test: in Go tests that is
//
//	func(f func()) { synctest.Test(t, func(*testing.T) { f() }) }
//
// and in a program what [NewBubble] makes.
type Bubble func(func())

// NewBubble makes bubbles in a program that is no test. It starts one test that never ends, inside of which the bubbles are
// made; that test is named nowhere, prints nothing and cannot fail. Call it once in a process: package testing keeps its
// flags for the whole process, which is why they are initialized here.
func NewBubble() Bubble {
	testing.Init()
	if !flag.Parsed() {
		_ = flag.CommandLine.Parse(nil) // no flags, no errors: package testing insists that they were parsed
	}
	type job struct {
		run  func()
		done chan struct{}
	}
	jobs := make(chan job)
	host := func(t *testing.T) {
		for j := range jobs {
			synctest.Test(t, func(*testing.T) { j.run() })
			close(j.done)
		}
	}
	all := func(string, string) (bool, error) { return true, nil }
	// Not waited for: it lives as long as the process. Were it to return, package testing would end the process.
	go testing.Main(all, []testing.InternalTest{{Name: "rehearsal", F: host}}, nil, nil)
	return func(run func()) {
		j := job{run: run, done: make(chan struct{})}
		jobs <- j
		<-j.done
	}
}

// settle waits until everything that happens at this instant has happened.
func settle() { synctest.Wait() }
