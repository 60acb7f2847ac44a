package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// child is one process of a plugin. It is what go-plugin calls a runner, but keeps go-plugin away from the process's
// output: its parser of standard error panics on JSON that it does not expect.
type child struct {
	path string
	args []string
	env  []string
	dir  string
	file *os.File // the verified program, run instead of path; nil: path is run
	log  *bridge

	spawner   *spawner
	socketDir string
	process   *os.Process
	lifeline  *os.File // the plugin's standard input: it ends when we do
	stdout    *os.File
	stderr    *os.File
	handshake *firstLine

	mu           sync.Mutex
	aborted      bool // it is not to be started any more
	handshakeErr error

	exited chan struct{} // closed when the process is reaped
	state  *os.ProcessState
	work   sync.WaitGroup // goroutines of this child
}

// Start implements go-plugin's runner.
func (c *child) Start(context.Context) error {
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	stdout, stdoutW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, lifeline.Close())
	}
	defer stdoutW.Close()
	stderr, stderrW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, lifeline.Close(), stdout.Close())
	}
	defer stderrW.Close()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return errors.Join(errors.New("the start was cancelled"), lifeline.Close(), stdout.Close(), stderr.Close())
	}
	path, files := c.path, []*os.File{stdin, stdoutW, stderrW}
	if c.file != nil {
		path, files = "/proc/self/fd/3", append(files, c.file)
	}
	process, err := c.spawner.start(path, append([]string{c.path}, c.args...), &os.ProcAttr{
		Dir: c.dir, Env: c.env, Files: files, Sys: processAttributes(),
	})
	if err != nil {
		return errors.Join(err, lifeline.Close(), stdout.Close(), stderr.Close())
	}
	forbidCoreDump(process.Pid)
	c.process, c.lifeline, c.stdout, c.stderr = process, lifeline, stdout, stderr
	c.work.Go(c.readStdout)
	c.work.Go(c.readStderr)
	c.work.Go(c.reap)
	return nil
}

// reap waits for the process, whoever else holds its pipes, and ends what it left behind in its group.
func (c *child) reap() {
	awaitExit(c.process.Pid)
	killGroup(c.process.Pid) // while the process is not reaped, its number cannot be another's
	state, err := c.process.Wait()
	if err != nil {
		c.log.problem("wait for the process", err)
	}
	c.state = state
	close(c.exited)
	// Whoever left the group may still hold the other ends of the pipes.
	end := time.Now().Add(500 * time.Millisecond)
	_, _ = c.stdout.SetReadDeadline(end), c.stderr.SetReadDeadline(end)
	_ = c.lifeline.Close()
}

func (c *child) readStdout() {
	defer c.stdout.Close()
	r := bufio.NewReaderSize(c.stdout, 4<<10)
	line, err := readHandshake(r, c.socketDir)
	if err != nil {
		c.mu.Lock()
		c.handshakeErr = err
		c.mu.Unlock()
		line = ""
	}
	c.handshake.set(line)
	c.log.readPlain(r)
}

func (c *child) readStderr() {
	defer c.stderr.Close()
	c.log.readLog(c.stderr, c.exited)
}

// kill ends the whole group, unless the process is gone already.
func (c *child) kill() {
	select {
	case <-c.exited:
	default:
		killGroup(c.process.Pid)
	}
}

func (c *child) terminate() {
	select {
	case <-c.exited:
	default:
		terminateGroup(c.process.Pid)
	}
}

// end kills the process and waits until it is reaped.
func (c *child) end(bound time.Duration) error {
	if c.process == nil {
		return nil
	}
	c.kill()
	if !c.exitedWithin(bound) {
		return fmt.Errorf("process %d of %s does not end, though it was killed", c.process.Pid, c.path)
	}
	return nil
}

// exitedWithin waits for the end of the process.
func (c *child) exitedWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.exited:
		return true
	case <-timer.C:
		return false
	}
}

// fate says how the process ended, for people.
func (c *child) fate() string {
	select {
	case <-c.exited:
	default:
		return "it runs"
	}
	text := "it ended"
	if c.state != nil {
		text = "it ended: " + c.state.String()
	}
	if last := c.log.lastLine(); last != "" {
		text += fmt.Sprintf("; the last it said: %s", last)
	}
	return text
}

// failure is what the handshake failed of, nil where it did not.
func (c *child) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handshakeErr
}

// Wait implements go-plugin's runner. Our own goroutine does the waiting.
func (c *child) Wait(ctx context.Context) error {
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill implements go-plugin's runner. It does not wait. A process that was not started yet will not be.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.process != nil {
		c.kill()
	}
	return nil
}

// Diagnose implements go-plugin's runner.
func (c *child) Diagnose(context.Context) string { return "" }

// Stdout implements go-plugin's runner.
func (c *child) Stdout() io.ReadCloser { return c.handshake }

// Stderr implements go-plugin's runner: nothing, its parser is not safe.
func (c *child) Stderr() io.ReadCloser {
	nothing := newFirstLine()
	nothing.set("")
	return nothing
}

// Name implements go-plugin's runner.
func (c *child) Name() string { return filepath.Base(c.path) }

// ID implements go-plugin's runner.
func (c *child) ID() string {
	if c.process == nil {
		return ""
	}
	return strconv.Itoa(c.process.Pid)
}

// PluginToHost implements go-plugin's runner; the handshake was checked already.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements go-plugin's runner.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
