package discovery

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts a discovery and returns what it announces.
func run(t *testing.T, kind, settings, dir string) <-chan []source.Group {
	t.Helper()
	d, err := New(Options{Kind: kind, Settings: json.RawMessage(settings), Dir: dir, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	announced := make(chan []source.Group, 100)
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx, func(groups []source.Group) { announced <- groups }) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return announced
}

// await takes announcements until one is what is wanted.
func await(t *testing.T, announced <-chan []source.Group, want []source.Group) {
	t.Helper()
	var last []source.Group
	deadline := time.After(30 * time.Second)
	for {
		select {
		case last = <-announced:
			if cmp.Equal(want, last) {
				return
			}
		case <-deadline:
			t.Fatalf("never announced (-want +last):\n%s", cmp.Diff(want, last))
		}
	}
}

func found(addresses ...string) (targets []source.Found) {
	for _, a := range addresses {
		targets = append(targets, source.Found{Address: a, Labels: map[string]string{}})
	}
	return targets
}

func write(t *testing.T, path, text string) {
	t.Helper()
	// As tools do that want readers to see the old file or the new one.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.json"), filepath.Join(dir, "b.yaml")
	write(t, a, `[{"targets":["a:1","a:2"],"labels":{"tier":"edge"}}]`)
	announced := run(t, "file", `{"files":["*.json","*.yaml"],"refresh_interval":"1h"}`, dir)
	inA := source.Group{Targets: found("a:1", "a:2"), Labels: map[string]string{"tier": "edge", "__meta_filepath": a}}
	await(t, announced, []source.Group{inA})

	write(t, b, "- targets: ['b:1']\n")
	inB := source.Group{Targets: found("b:1"), Labels: map[string]string{"__meta_filepath": b}}
	await(t, announced, []source.Group{inA, inB})

	write(t, a, `[{"targets":`) // half a file is no news
	write(t, b, "- targets: ['b:1', 'b:2']\n")
	inB.Targets = found("b:1", "b:2")
	await(t, announced, []source.Group{inA, inB})

	write(t, a, `[]`)
	await(t, announced, []source.Group{inB})
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	await(t, announced, nil)
}

func TestService(t *testing.T) {
	var answer atomic.Value
	var once sync.Once
	failed := make(chan struct{})
	answer.Store(`[{"targets":["a:1"],"labels":{"zone":"x"}},{"targets":["b:1"]}]`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		text, _ := answer.Load().(string)
		if text == "" {
			w.WriteHeader(http.StatusInternalServerError)
			once.Do(func() { close(failed) })
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	announced := run(t, "http", `{"url":"`+server.URL+`","refresh_interval":"1s","basic_auth":{"username":"u","password":"secret"}}`, ".")
	inA := source.Group{Targets: found("a:1"), Labels: map[string]string{"zone": "x", "__meta_url": server.URL}}
	inB := source.Group{Targets: found("b:1"), Labels: map[string]string{"__meta_url": server.URL}}
	await(t, announced, []source.Group{inA, inB})
	answer.Store("") // a service that fails takes no target away
	<-failed
	answer.Store(`[{"targets":["a:1","c:1"],"labels":{"zone":"x"}}]`)
	inA.Targets = found("a:1", "c:1")
	if first := <-announced; !cmp.Equal([]source.Group{inA}, first) {
		t.Errorf("after the failure (-want +got):\n%s", cmp.Diff([]source.Group{inA}, first))
	}
}

func TestWrongSettings(t *testing.T) {
	for _, tt := range []struct{ kind, settings, want string }{
		{"consul", `{}`, `there is no discovery "consul"`},
		{"file", `{"files":[]}`, "must contain at least one path name"},
		{"file", `{"files":["a/*/b.json"]}`, `path name "a/*/b.json" is not valid`},
		{"http", `{"url":"ftp://x"}`, "URL scheme must be"},
		{"http", `{"url":"http://x","basic_auth":{"username":"u","password":"topsecret","password_file":"f"}}`, "password"},
		{"dns", `{"names":["x"],"type":"A"}`, "a port is required"},
		{"dns", `{"names":"x"}`, "cannot unmarshal"},
	} {
		_, err := New(Options{Kind: tt.kind, Settings: json.RawMessage(tt.settings)})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want an error that says %q", tt.kind, tt.settings, err, tt.want)
		} else if strings.Contains(err.Error(), "topsecret") {
			t.Errorf("a secret is in the error: %v", err)
		}
	}
}

func TestSchemas(t *testing.T) {
	for _, name := range Kinds() {
		block, ok := Schema(name)
		if !ok || len(block.Attributes) == 0 {
			t.Errorf("%s: %v", name, block)
		}
	}
	if _, ok := Schema("consul"); ok {
		t.Error("there is a schema of what does not exist")
	}
}
