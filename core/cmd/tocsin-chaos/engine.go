package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// engine is the binary under test, which dies and is started again on the same data.
type engine struct {
	binary string
	dir    string
	log    io.Writer
	proc   *exec.Cmd  // nil while it is dead
	ended  chan error // of proc
}

// configuration is what the engine runs; with spare it has a rule and a source more, which concern nobody.
func (e *engine) configure(target, pager, flaky, steady string, spare bool) error {
	text := fmt.Sprintf(`
engine { listen = %q }
source "http" "world" {
  targets  = [%q]
  interval = "1s"
}
rule "Incident" {
  module = "threshold"
  input "series" { select = "chaos_incident{job='world'}" }
  params { value = 0.5 }
  labels      = { severity = "critical" }
  annotations = { summary = "incident {{ $labels.id }}" }
}
notifier "pagerduty" "pager" {
  routing_key = "0123456789abcdef0123456789abcdef"
  url         = %q
  timeout     = "3s"
}
notifier "webhook" "flaky" {
  url     = %q
  timeout = "3s"
}
notifier "webhook" "steady" {
  url     = %q
  timeout = "3s"
}
route {
  to              = [notifier.pagerduty.pager, notifier.webhook.flaky, notifier.webhook.steady]
  group_by        = ["id"]
  group_wait      = "0s"
  group_interval  = "1s"
  repeat_interval = "30d"
}
`, e.address(), target, pager, flaky, steady)
	if spare {
		text += fmt.Sprintf(`
source "http" "spare" {
  targets  = [%q]
  interval = "1s"
}
rule "Spare" {
  module = "threshold"
  input "series" { select = "chaos_incident{job='spare'}" }
  params { value = 2 }
}
`, target)
	}
	file := filepath.Join(e.dir, "tocsin.hcl")
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return os.Rename(file+".new", file)
}

// address is where it listens.
func (e *engine) address() string { return "unix:" + e.socket() }

func (e *engine) socket() string { return filepath.Join(e.dir, "api") }

// start starts it.
func (e *engine) start() error {
	p := exec.Command(e.binary, "run", filepath.Join(e.dir, "tocsin.hcl"), "-log-format", "json", "-log-level", "info") //nolint:noctx // it is to be killed
	p.Stdout, p.Stderr = e.log, e.log
	if err := p.Start(); err != nil {
		return fmt.Errorf("start %s: %w", e.binary, err)
	}
	e.proc, e.ended = p, make(chan error, 1)
	go func() { e.ended <- p.Wait() }()
	return nil
}

// alone lets it run for a time. It must not end by itself.
func (e *engine) alone(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-e.ended:
		e.proc = nil
		return fmt.Errorf("the engine ended by itself: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// kill is kill -9.
func (e *engine) kill() error {
	if err := e.proc.Process.Kill(); err != nil {
		return fmt.Errorf("kill the engine: %w", err)
	}
	var exit *exec.ExitError
	if err := <-e.ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("the engine ended before it was killed: %w", err)
	}
	e.proc = nil
	return nil
}

// reload has it read its configuration again. A process that has only just begun would be ended by the signal.
func (e *engine) reload(ctx context.Context) error {
	for {
		if c, err := new(net.Dialer).DialContext(ctx, "unix", e.socket()); err == nil {
			_ = c.Close()
			break
		}
		if err := e.alone(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	if err := e.proc.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload the configuration: %w", err)
	}
	return nil
}

// stop stops it in good order, and otherwise after a minute.
func (e *engine) stop() error {
	if e.proc == nil {
		return nil
	}
	if err := e.proc.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the engine: %w", err)
	}
	force := time.AfterFunc(time.Minute, func() { _ = e.proc.Process.Kill() })
	defer force.Stop()
	if err := <-e.ended; err != nil {
		return fmt.Errorf("stop the engine: %w", err)
	}
	e.proc = nil
	return nil
}
