package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// TestMain turns the test binary into whatever a test starts it as: a plugin, something that only looks like one, or
// an engine of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "plugin-serve" {
		servePlugin(os.Args[2], os.Args[3:])
		return
	}
	if dir := os.Getenv("TOCSIN_TEST_ENGINE"); dir != "" {
		serveEngine(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func servePlugin(as string, args []string) {
	switch as {
	case "source":
		source.Serve(source.Info{Name: "fake", Version: "1.2.3"}, func() source.Source { return &fakeSource{} })
	case "notifier":
		notifier.Serve(notifier.Info{Name: "fake", Version: "1.2.3"}, func() notifier.Notifier { return &fakeNotifier{} })
	case "print": // something else on standard output
		fmt.Print(strings.ReplaceAll(strings.Join(args, " "), `\n`, "\n"))
		if len(args) > 0 && strings.HasSuffix(args[len(args)-1], " ") {
			select {}
		}
	case "long": // 1 MiB without an end
		fmt.Print(strings.Repeat("x", 1<<20))
	case "mute":
		select {}
	case "crash":
		fmt.Fprintln(os.Stderr, "cannot find my socks")
		os.Exit(3)
	case "sigterm": // does what it should not
		signal.Ignore(syscall.SIGTERM)
		source.Serve(source.Info{Name: "fake"}, func() source.Source { return &fakeSource{} })
		select {}
	}
}

type fakeConfig struct {
	Key   string `config:"key" sensitive:"true"`
	Wrong bool   `config:"wrong"`
}

// fakeSource does what the address of the target says.
type fakeSource struct {
	config  fakeConfig
	mu      sync.Mutex
	builder frame.Builder
}

func (s *fakeSource) Schema() schema.Block { return schema.MustOf(fakeConfig{}) }

func (s *fakeSource) Configure(_ context.Context, config []byte) error {
	if err := schema.Decode(config, &s.config); err != nil {
		return err
	}
	if s.config.Wrong {
		return schema.Diagnostics{{Path: []string{"wrong"}, Summary: "is wrong with " + s.config.Key}}
	}
	return nil
}

func (s *fakeSource) Collect(ctx context.Context, t source.Target) (source.Collection, error) {
	do, arg, _ := strings.Cut(t.Address, ":")
	switch do {
	case "error":
		return source.Collection{}, errors.New(arg)
	case "panic":
		panic(arg)
	case "die":
		go panic(arg)
		<-ctx.Done()
	case "exit":
		os.Exit(7)
	case "hang":
		<-ctx.Done()
		return source.Collection{}, fmt.Errorf("read %s: %w", arg, ctx.Err())
	case "stderr":
		fmt.Fprint(stderr, unquote(arg))
	case "stdout":
		fmt.Print(unquote(arg)) // through go-plugin's pipe
	case "slog":
		slog.Warn(arg, "key", s.config.Key, "pid", "mine", "nested", map[string]int{"a": 1})
	case "env":
		labels := frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "env"}, frame.Label{Name: "is", Value: strings.Join(os.Environ(), "\n")})
		return source.Collection{Frame: frame.Frame{Layout: &frame.Layout{Series: []frame.Series{{Labels: labels}}}, Values: []float64{1}}}, nil
	case "child": // that holds our output open; "away": outside of our group
		cmd := exec.Command("sleep", "1000") //nolint:noctx // it is to outlive everything
		cmd.Stdout, cmd.Stderr = stderr, stderr
		if arg == "away" {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		}
		if err := cmd.Start(); err != nil {
			return source.Collection{}, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.builder.Add(frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "pid"}), frame.Gauge, float64(cmd.Process.Pid))
		return source.Collection{Frame: s.builder.Build(0)}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.builder.Add(frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "up"}), frame.Gauge, 1)
	if do == "more" {
		s.builder.Add(frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "more"}), frame.Gauge, 2)
	}
	return source.Collection{Frame: s.builder.Build(0)}, nil
}

// unquote is the text that strconv.Quote wrote: addresses are UTF-8.
func unquote(s string) string {
	text, err := strconv.Unquote(s)
	if err != nil {
		panic(err)
	}
	return text
}

// stderr is the real one: go-plugin replaces os.Stderr.
var stderr = os.Stderr

// fakeNotifier answers with what it was told.
type fakeNotifier struct{ config fakeConfig }

func (n *fakeNotifier) Schema() schema.Block { return schema.MustOf(fakeConfig{}) }

func (n *fakeNotifier) Configure(_ context.Context, config []byte) error {
	return schema.Decode(config, &n.config)
}

func (n *fakeNotifier) Send(ctx context.Context, m notifier.Notification) (notifier.Result, error) {
	switch m.Note {
	case "exit":
		os.Exit(7)
	case "hang":
		<-ctx.Done()
		return notifier.Result{}, ctx.Err()
	}
	data, err := json.Marshal(m)
	return notifier.Result{Outcome: notifier.Delivered, Reference: string(data), Detail: "with " + n.config.Key}, err
}

// quick keeps the race detector from sleeping for a second at the end of each plugin.
var quick = []string{"GORACE=atexit_sleep_ms=0"}

// command starts this binary as args say.
func command(args ...string) func(string, string) (string, []string, error) {
	return func(string, string) (string, []string, error) {
		return self(), append([]string{"plugin-serve"}, args...), nil
	}
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// asAsked starts a source or a notifier.
func asAsked(what, _ string) (string, []string, error) {
	return self(), []string{"plugin-serve", what}, nil
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{} // one wake-up
}

func newLogBuffer() *logBuffer { return &logBuffer{written: make(chan struct{}, 1)} }

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.written <- struct{}{}:
	default:
	}
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits for a log record that holds all of the texts, and returns it.
func (b *logBuffer) await(t *testing.T, texts ...string) string {
	t.Helper()
	for {
		for line := range strings.Lines(b.String()) {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				return line
			}
		}
		select {
		case <-b.written:
		case <-time.After(20 * time.Second):
			t.Fatalf("no log record holds all of %q", texts)
		}
	}
}

// newHost makes a host that is closed with the test.
func newHost(t *testing.T, change func(*Options)) (*Host, *logBuffer) {
	t.Helper()
	log := newLogBuffer()
	options := Options{Logger: zerolog.New(log), Command: asAsked}
	if change != nil {
		change(&options)
	}
	h, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error("close the host:", err)
		}
		if t.Failed() {
			for line := range strings.Lines(log.String()) {
				t.Logf("%.500s", line)
			}
		}
	})
	return h, log
}

func openSource(t *testing.T, h *Host, settings string, secrets ...string) *Source {
	t.Helper()
	s, err := h.Source(t.Context(), "fake", "main", json.RawMessage(settings), quick, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func collect(t *testing.T, s *Source, address string) (source.Collection, error) {
	t.Helper()
	return s.Collect(t.Context(), source.Target{ID: "one", Address: address, Timeout: 10 * time.Second})
}

func mustCollect(t *testing.T, s *Source, address string) source.Collection {
	t.Helper()
	c, err := collect(t, s, address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// awaitState waits until the only process is in that state.
func awaitState(t *testing.T, h *Host, want func(Status) bool) Status {
	t.Helper()
	h.mu.Lock()
	var s *supervisor
	for _, s = range h.supervisors {
		break
	}
	h.mu.Unlock()
	timeout := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if status := s.status(); want(status) {
			return status
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("the process is %+v", s.status())
		}
	}
}

func readyAgain(restarts int) func(Status) bool {
	return func(s Status) bool { return s.State == StateReady && s.Restarts >= restarts }
}
