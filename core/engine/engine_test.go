package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatWasOpenedLastIsClosedFirst(t *testing.T) {
	var closed []string
	var c closers
	broken := errors.New("the disk is gone")
	for _, name := range []string{"state", "plugins", "rules"} {
		c.push(name, func(context.Context) error {
			closed = append(closed, name)
			if name == "plugins" {
				return broken
			}
			return nil
		})
	}
	err := c.close(t.Context())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "close plugins") {
		t.Errorf("close = %v, want it to say that plugins failed", err)
	}
	if err := c.close(t.Context()); err != nil {
		t.Errorf("second close = %v, want nothing left to do", err)
	}
	if diff := cmp.Diff([]string{"rules", "plugins", "state"}, closed); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestSourcesOf(t *testing.T) {
	sources := []config.Source{
		{Kind: "http", Name: "gateway", Interval: 15 * time.Second, Labels: map[string]string{"tier": "edge"}},
		{Kind: "http", Name: "odoo", Interval: time.Minute},
		{Kind: "http", Name: "renamed", Interval: time.Second, Labels: map[string]string{"job": "gateway"}},
	}
	for _, tt := range []struct {
		name     string
		matchers []*labels.Matcher
		want     []string
		interval time.Duration
	}{
		{
			"a selector without known labels may match any source",
			[]*labels.Matcher{match("__name__", "http_requests_total")},
			[]string{"http.gateway", "http.odoo", "http.renamed"},
			time.Minute,
		},
		{
			"job is the block's name unless it has a label job",
			[]*labels.Matcher{match("job", "gateway")},
			[]string{"http.gateway", "http.renamed"},
			15 * time.Second,
		},
		{"static labels count", []*labels.Matcher{match("tier", "core")}, []string{"http.odoo", "http.renamed"}, time.Minute},
		{"nobody", []*labels.Matcher{match("job", "nobody")}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, interval := sourcesOf([][]*labels.Matcher{tt.matchers}, sources)
			if diff := cmp.Diff(tt.want, got); diff != "" || interval != tt.interval {
				t.Errorf("interval %s, want %s; sources (-want +got):\n%s", interval, tt.interval, diff)
			}
		})
	}
}

func match(name, value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}

type attempt struct {
	result notifier.Result
	err    error
}

func (a attempt) Send(context.Context, notifier.Notification) (notifier.Result, error) {
	return a.result, a.err
}

func TestSenderTellsANoFromSilence(t *testing.T) {
	absent := fmt.Errorf("pagerduty: %w", pluginhost.ErrUnavailable)
	interrupted := errors.Join(absent, pluginhost.ErrInterrupted)
	for _, tt := range []struct {
		name    string
		attempt attempt
		outcome notifier.Outcome
		wantErr bool
	}{
		{"the plugin was not there: a clear no", attempt{err: absent}, notifier.Retry, false},
		{"the plugin went away during the call: nobody knows", attempt{err: interrupted}, notifier.Retry, true},
		{"the plugin answered", attempt{result: notifier.Result{Outcome: notifier.Delivered}}, notifier.Delivered, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			result, err := heard{tt.attempt}.Send(t.Context(), notifier.Notification{})
			if (err != nil) != tt.wantErr || result.Outcome != tt.outcome {
				t.Errorf("Send = %v, %v; want %v, error %v", result.Outcome, err, tt.outcome, tt.wantErr)
			}
		})
	}
}

func TestModuleCode(t *testing.T) {
	dir := t.TempDir()
	code := []byte("not wasm, but found")
	for _, file := range []string{"seasonal.wasm", "elsewhere.wasm"} {
		if err := os.WriteFile(filepath.Join(dir, file), code, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(code)
	found := modules{dirs: []string{filepath.Join(dir, "missing"), dir}, blocks: []config.Module{
		{Name: "pinned", Path: filepath.Join(dir, "elsewhere.wasm"), SHA256: hex.EncodeToString(sum[:])},
		{Name: "changed", Path: filepath.Join(dir, "elsewhere.wasm"), SHA256: strings.Repeat("0", 64)},
		{Name: "gone", Path: filepath.Join(dir, "gone.wasm")},
		{Name: "seasonal", SHA256: strings.Repeat("0", 64)},
	}}
	for name, wantErr := range map[string]string{
		"pinned":   "",
		"changed":  "the configuration wants 0000",
		"gone":     "read rule module gone",
		"seasonal": "the configuration wants 0000",
		"nowhere":  "unknown",
	} {
		_, err := found.code(name)
		switch {
		case wantErr == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)):
			t.Errorf("%s: error %v, want one that says %q", name, err, wantErr)
		}
	}
	if _, err := found.code("nowhere"); !errors.Is(err, config.ErrUnknown) {
		t.Errorf("an unknown module gives %v, want config.ErrUnknown for \"did you mean\"", err)
	}
}

// attemptFunc is a notifier that takes its time.
type attemptFunc func()

func (f attemptFunc) Send(context.Context, notifier.Notification) (notifier.Result, error) {
	f()
	return notifier.Result{Outcome: notifier.Delivered}, nil
}
