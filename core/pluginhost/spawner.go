package pluginhost

import (
	"os"
	"runtime"
)

// spawner starts processes from one OS thread that lives as long as the host. The kernel sends the parent-death
// signal of a child when the thread that forked it ends, and Go ends threads as it likes.
type spawner struct {
	requests chan spawnRequest
	done     chan struct{}
}

type spawnRequest struct {
	path   string
	args   []string
	attr   *os.ProcAttr
	answer chan<- spawned
}

type spawned struct {
	process *os.Process
	err     error
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawnRequest), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *spawner) run() {
	defer close(s.done)
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine, and with it what it had started
	for r := range s.requests {
		process, err := os.StartProcess(r.path, r.args, r.attr)
		r.answer <- spawned{process, err}
	}
}

// start is [os.StartProcess] on the spawner's thread.
func (s *spawner) start(path string, args []string, attr *os.ProcAttr) (*os.Process, error) {
	answer := make(chan spawned, 1)
	s.requests <- spawnRequest{path, args, attr, answer}
	r := <-answer
	return r.process, r.err
}

// close ends the thread. Nothing may be started afterwards.
func (s *spawner) close() {
	close(s.requests)
	<-s.done
}
