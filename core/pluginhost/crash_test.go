package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestCrashAndRestart(t *testing.T) {
	for _, how := range []string{"exit", "die:my fault", "kill -9"} {
		t.Run(how, func(t *testing.T) {
			h, log := newHost(t, nil)
			one, two := openSource(t, h, `{}`), openSource(t, h, `{}`)
			before := mustCollect(t, one, "")
			pid := h.Processes()[0].PID
			if how == "kill -9" {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			} else if _, err := collect(t, one, how); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrInterrupted) {
				t.Fatalf("the call that the process died in: %v", err)
			}
			status := awaitState(t, h, readyAgain(1))
			if status.PID == pid || status.Error == "" {
				t.Errorf("got %+v", status)
			}
			after := mustCollect(t, one, "")
			if after.Frame.Layout != before.Frame.Layout {
				t.Error("the columns are the same as before the crash, the layout is another")
			}
			mustCollect(t, two, "")
			if strings.HasPrefix(how, "die") {
				record := log.await(t, `"level":"error"`, "panic: my fault", `"stack":`, "goroutine ")
				if !strings.Contains(record, "Collect") || strings.Contains(log.String(), `"message":"goroutine`) {
					t.Errorf("the panic is not in one piece: %s", record)
				}
			}
		})
	}
}

// An instance whose configuration no longer works does not take the others down.
func TestCallsMeanwhile(t *testing.T) {
	h, _ := newHost(t, nil)
	s := openSource(t, h, `{}`)
	if err := syscall.Kill(h.Processes()[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitState(t, h, func(s Status) bool { return s.State == StateBackoff })
	if _, err := collect(t, s, ""); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("got %v", err)
	}
	second := openSource(t, h, `{}`) // waits for the process
	mustCollect(t, second, "")
}

func TestCrashLoop(t *testing.T) {
	var again restarts
	now := time.Unix(0, 0)
	var waits []time.Duration
	for range circuitLimit {
		wait, hopeless := again.crashed(now, 0)
		if hopeless {
			t.Fatalf("hopeless after %d", len(waits))
		}
		waits = append(waits, wait)
		now = now.Add(wait)
	}
	for i, wait := range waits {
		if most := backoffFirst << i; wait < most/2 || wait > most {
			t.Errorf("wait %d is %s", i, wait)
		}
	}
	if wait, hopeless := again.crashed(now, 0); !hopeless || wait != circuitRetry {
		t.Errorf("the sixth crash: %s, %v", wait, hopeless)
	}
	now = now.Add(circuitRetry)
	if _, hopeless := again.crashed(now, 0); !hopeless {
		t.Error("the seventh crash, five minutes later: not hopeless")
	}
	now = now.Add(circuitWindow + time.Second)
	if wait, hopeless := again.crashed(now, circuitWindow); hopeless || wait > backoffFirst {
		t.Errorf("a crash after a long time of work: %s, %v", wait, hopeless)
	}
	again = restarts{}
	for range 20 { // far apart, but never long at work
		now = now.Add(circuitWindow)
		if wait, _ := again.crashed(now, time.Second); wait > backoffMost {
			t.Fatalf("wait %s", wait)
		}
	}
}

func TestStopsWhatDoesNotListen(t *testing.T) {
	type setUp func(t *testing.T, h *Host, s *Source) (alsoGone int)
	for name, what := range map[string]setUp{
		"SIGSTOP": func(t *testing.T, h *Host, _ *Source) int {
			if err := syscall.Kill(h.Processes()[0].PID, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			return 0
		},
		"ignores SIGTERM": func(*testing.T, *Host, *Source) int { return 0 },
		"a call hangs": func(t *testing.T, _ *Host, s *Source) int {
			var call sync.WaitGroup
			call.Go(func() { _, _ = s.Collect(context.Background(), source.Target{ID: "x", Address: "hang:"}) })
			t.Cleanup(call.Wait)
			return 0
		},
		"a child that holds its output": func(t *testing.T, _ *Host, s *Source) int {
			return int(mustCollect(t, s, "child:").Frame.Values[0])
		},
		"a child outside of the group": func(t *testing.T, _ *Host, s *Source) int {
			pid := int(mustCollect(t, s, "child:away").Frame.Values[0])
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
			return 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, _ := newHost(t, func(o *Options) {
				if name == "ignores SIGTERM" {
					o.Command = command("sigterm")
				}
			})
			s := openSource(t, h, `{}`)
			pid := h.Processes()[0].PID
			also := what(t, h, s)
			closed := make(chan error, 1)
			go func() { closed <- h.Close(context.Background()) }()
			select {
			case err := <-closed:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the host does not close")
			}
			awaitGone(t, pid)
			if also != 0 {
				awaitGone(t, also)
			}
		})
	}
}

func TestCloseInAHurry(t *testing.T) {
	h, _ := newHost(t, nil)
	openSource(t, h, `{}`)
	if err := syscall.Kill(h.Processes()[0].PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := h.Close(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A process that lives but does not answer is replaced.
func TestHealth(t *testing.T) {
	h, _ := newHost(t, nil)
	h.health = 300 * time.Millisecond
	s := openSource(t, h, `{}`)
	if err := syscall.Kill(h.Processes()[0].PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitState(t, h, func(s Status) bool { return s.State == StateDegraded })
	status := awaitState(t, h, readyAgain(1))
	if !strings.Contains(status.Error, "health checks") {
		t.Errorf("got %+v", status)
	}
	mustCollect(t, s, "")
}

// serveEngine is an engine that a test kills: it starts a plugin and says its process number.
func serveEngine(dir string) {
	h, err := New(Options{Logger: zerolog.Nop(), Command: asAsked, RuntimeDir: dir})
	if err == nil {
		_, err = h.Source(context.Background(), "fake", "main", nil, nil)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(h.Processes()[0].PID)
	select {}
}

func TestEngineIsKilled(t *testing.T) {
	dir, err := os.MkdirTemp("", "e") //nolint:usetesting // sockets need short paths
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	engine := exec.CommandContext(t.Context(), self())
	engine.Env = append(os.Environ(), "TOCSIN_TEST_ENGINE="+dir)
	out, err := engine.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 1 {
		t.Fatalf("got %v", left)
	}
	if err := engine.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = engine.Wait()
	awaitGone(t, pid)

	// The next engine sweeps up.
	h, err := New(Options{Logger: zerolog.Nop(), Command: asAsked, RuntimeDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	if _, err := os.Stat(left[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s was not swept away: %v", left[0], err)
	}
	if _, err := os.Stat(h.dir.path); err != nil {
		t.Error(err)
	}
	other, err := New(Options{Command: asAsked, RuntimeDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(h.dir.path); err != nil {
		t.Error("the directory of a host that lives was swept away:", err)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// awaitGone fails if a process lives for two more seconds.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Second); !gone(pid); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

// gone tells whether a process is no more; one that nobody reaped is a zombie, and gone too.
func gone(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// Without the kernel's help the plugin notices by itself.
func TestLifeline(t *testing.T) {
	h, _ := newHost(t, nil)
	s := openSource(t, h, `{}`)
	run, err := s.instance.acquire()
	if err != nil {
		t.Fatal(err)
	}
	_ = run.child.lifeline.Close()
	if !run.child.exitedWithin(time.Second) {
		t.Fatal("the plugin lives without its lifeline")
	}
	awaitState(t, h, readyAgain(1))
	mustCollect(t, s, "")
}

// The socket is gone from the disk, as after a cleaning of /tmp: calls go on over the open connection.
func TestSocketIsRemoved(t *testing.T) {
	h, _ := newHost(t, nil)
	s := openSource(t, h, `{}`)
	sockets, _ := filepath.Glob(filepath.Join(h.dir.path, "*", "*", "plugin*"))
	if len(sockets) != 1 {
		t.Fatalf("got %v", sockets)
	}
	if err := os.Remove(sockets[0]); err != nil {
		t.Fatal(err)
	}
	mustCollect(t, s, "")
}
