package pluginhost

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/schema"
	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestSource(t *testing.T) {
	h, _ := newHost(t, nil)
	s := openSource(t, h, `{"key":"k"}`)
	first := mustCollect(t, s, "")
	if first.Frame.Time != 0 || first.Frame.Values[0] != 1 || first.Frame.Layout.Series[0].Labels.String() != "up{}" {
		t.Fatalf("got %+v", first.Frame)
	}
	if mustCollect(t, s, "").Frame.Layout != first.Frame.Layout {
		t.Error("the columns are the same, the layout is another")
	}
	if more := mustCollect(t, s, "more"); len(more.Frame.Values) != 2 || more.Frame.Layout == first.Frame.Layout {
		t.Errorf("got %+v", more.Frame)
	}
	status := h.Processes()
	if len(status) != 1 || status[0].PID == 0 || status[0].State != StateReady || status[0].Version != "1.2.3" || status[0].Instances != 1 {
		t.Errorf("got %+v", status)
	}
}

func TestNotifier(t *testing.T) {
	h, _ := newHost(t, nil)
	n, err := h.Notifier(t.Context(), "fake", "main", json.RawMessage(`{"key":"hunter2"}`), quick, "hunter2")
	if err != nil {
		t.Fatal(err)
	}
	sent := notifier.Notification{
		ID: "id", Attempt: 2, PossibleRepeat: true, Reason: notifier.ReasonFirst, Receiver: "main", GroupKey: "{}:{}", DedupKey: "abc",
		GroupLabels: map[string]string{"a": "b"}, Truncated: 3, Reference: "ref", ExternalURL: "http://here", Note: "note",
		Alerts: []notifier.Alert{
			{
				Fingerprint: "f", Status: notifier.StatusFiring, Rule: "R", Labels: map[string]string{"x": "y"},
				Annotations: map[string]string{"s": "broken \xff"}, StartsAt: time.Unix(5, 6).UTC(), Value: 1.5, GeneratorURL: "u",
			},
			{Status: notifier.StatusResolved, StartsAt: time.Unix(5, 6).UTC(), EndsAt: time.Unix(7, 8).UTC()},
		},
	}
	result, err := n.Send(t.Context(), sent)
	if err != nil {
		t.Fatal(err)
	}
	if result.Outcome != notifier.Delivered || result.Detail != "with (sensitive)" {
		t.Errorf("got %+v", result)
	}
	var got notifier.Notification
	if err := json.Unmarshal([]byte(result.Reference), &got); err != nil {
		t.Fatal(err)
	}
	sent.Alerts[0].Annotations["s"] = "broken \ufffd"
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Error(diff)
	}

	if _, err := n.Send(t.Context(), notifier.Notification{Note: "exit"}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrInterrupted) {
		t.Errorf("a crash during the call: got %v", err)
	}
	// It may find the connection as it is being closed: whether the call had begun cannot be told then.
	if _, err := n.Send(t.Context(), notifier.Notification{}); err != nil && !errors.Is(err, ErrUnavailable) {
		t.Errorf("a call after the crash: got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	awaitState(t, h, readyAgain(1))
	if _, err := n.Send(ctx, notifier.Notification{Note: "hang"}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
		t.Errorf("a call that hangs: got %v", err)
	}
}

func TestConfigurationToBlame(t *testing.T) {
	h, _ := newHost(t, nil)
	for settings, want := range map[string]string{
		`{"wrong":true,"key":"hunter2"}`: "wrong: is wrong with (sensitive)",
		`{"what":1}`:                     "what: is not known here",
	} {
		_, err := h.Source(t.Context(), "fake", "main", json.RawMessage(settings), quick, "hunter2")
		var diags schema.Diagnostics
		if !errors.As(err, &diags) || err.Error() != want {
			t.Errorf("got %v", err)
		}
		err = h.Validate(t.Context(), "source", "fake", json.RawMessage(settings), quick, "hunter2")
		if !errors.As(err, &diags) || err.Error() != want {
			t.Errorf("got %v", err)
		}
	}
	if got := h.Processes(); len(got) != 0 {
		t.Errorf("a process without instances was left: %+v", got)
	}
	if err := h.Validate(t.Context(), "source", "fake", nil, quick); err != nil {
		t.Error(err)
	}
}

func TestSchema(t *testing.T) {
	h, _ := newHost(t, nil)
	block, err := h.Schema(t.Context(), "notifier", "fake", quick)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(schema.MustOf(fakeConfig{}), block); diff != "" {
		t.Error(diff)
	}
}

// One process serves all instances of a kind and ends with the last.
func TestInstancesShareAProcess(t *testing.T) {
	h, _ := newHost(t, nil)
	one, two := openSource(t, h, `{}`), openSource(t, h, `{}`)
	if got := h.Processes(); len(got) != 1 || got[0].Instances != 2 {
		t.Fatalf("got %+v", got)
	}
	pid := h.Processes()[0].PID
	if err := one.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := one.Close(t.Context()); err != nil {
		t.Fatal("close twice:", err)
	}
	mustCollect(t, two, "")
	if err := two.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.Processes(); len(got) != 0 {
		t.Fatalf("got %+v", got)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("process %d is still there: %v", pid, err)
	}
	if _, err := collect(t, two, ""); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

func TestErrorsOfAuthors(t *testing.T) {
	h, log := newHost(t, nil)
	s := openSource(t, h, `{"key":"hunter2"}`, "hunter2")
	if _, err := collect(t, s, "error:no route to hunter2"); err == nil || err.Error() != "no route to (sensitive)" || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := collect(t, s, "panic:at hunter2"); err == nil || err.Error() != "the plugin panicked: at (sensitive)" {
		t.Errorf("got %v", err)
	}
	log.await(t, `"level":"error"`, "panic in the plugin", "fakeSource", `"panic":"at (sensitive)"`)
	_, err := s.Collect(t.Context(), source.Target{ID: "one", Address: "hang:x", Timeout: 50 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "read x: context deadline exceeded" {
		t.Errorf("got %v", err)
	}
	mustCollect(t, s, "") // all in the same process
	if got := h.Processes()[0].Restarts; got != 0 {
		t.Errorf("%d restarts", got)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	h, _ := newHost(t, nil)
	s := openSource(t, h, `{}`)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 10 {
				target := source.Target{ID: string(rune('a' + i)), Address: []string{"", "more"}[i%2], Timeout: 10 * time.Second}
				if _, err := s.Collect(t.Context(), target); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_ENGINE", "hunter2")
	t.Setenv("HTTPS_PROXY", "http://proxy")
	t.Setenv("TZ", "UTC")
	t.Setenv("SSL_CERT_DIR", "/certs")
	t.Setenv("SSL_CERT_FILE", "")
	h, _ := newHost(t, nil)
	s, err := h.Source(t.Context(), "fake", "main", nil,
		[]string{"HTTPS_PROXY", "NOT_SET", "GOGC=77", "PLUGIN_UNIX_SOCKET_DIR=/tmp", "TOCSIN_PLUGIN=x", "EMPTY=", "=x", ""})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for e := range strings.SplitSeq(mustCollect(t, s, "env").Frame.Layout.Series[0].Labels.Get("is"), "\n") {
		if name, value, ok := strings.Cut(e, "="); ok && strings.ToUpper(name) == name && !strings.HasPrefix(name, "-") && !strings.Contains(name, "/") {
			got[name] = value
		}
	}
	for _, name := range []string{"TMPDIR", "PLUGIN_UNIX_SOCKET_DIR"} {
		if !strings.HasPrefix(got[name], h.dir.path+"/") {
			t.Errorf("%s is %s", name, got[name])
		}
		got[name] = "private"
	}
	if !strings.HasPrefix(got["PLUGIN_CLIENT_CERT"], "-----BEGIN CERTIFICATE") {
		t.Errorf("the certificate is %q", got["PLUGIN_CLIENT_CERT"])
	}
	for name := range got { // the base64 lines of the certificate look like settings
		if len(name) > 40 {
			delete(got, name)
		}
	}
	got["PLUGIN_CLIENT_CERT"] = "certificate"
	want := map[string]string{
		"EMPTY": "", "GOGC": "77", "GOMAXPROCS": got["GOMAXPROCS"], "GOMEMLIMIT": "512MiB", "HTTPS_PROXY": "http://proxy", "LANG": "C.UTF-8",
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PLUGIN_CLIENT_CERT": "certificate",
		"PLUGIN_MAX_PORT": "25000", "PLUGIN_MIN_PORT": "10000", "PLUGIN_PROTOCOL_VERSIONS": "1", "PLUGIN_UNIX_SOCKET_DIR": "private",
		"SSL_CERT_DIR": "/certs", "SSL_CERT_FILE": "", "TMPDIR": "private", "TOCSIN_PLUGIN": got["TOCSIN_PLUGIN"], "TOCSIN_PLUGIN_LOG": "debug", "TZ": "UTC",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got["TOCSIN_PLUGIN"] == "x" {
		t.Error("the cookie can be replaced")
	}
}

func TestStartsThatFail(t *testing.T) {
	dir := t.TempDir()
	notExecutable := filepath.Join(dir, "x")
	if err := os.WriteFile(notExecutable, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert := strings.Repeat("A", 100)
	for name, c := range map[string]struct {
		command func(string, string) (string, []string, error)
		want    string
	}{
		"no such kind":     {func(string, string) (string, []string, error) { return "", nil, ErrNotFound }, "plugin not found"},
		"no program":       {func(string, string) (string, []string, error) { return "/no/such", nil, nil }, "run /no/such: fork/exec /no/such: no such file"},
		"not executable":   {func(string, string) (string, []string, error) { return notExecutable, nil, nil }, "permission denied"},
		"crashes":          {command("crash"), "it ended before the handshake (it ended: exit status 3; the last it said: cannot find my socks)"},
		"says nothing":     {command("print"), "it ended before the handshake"},
		"no plugin":        {command("print", `hello\n`), `it printed "hello" where the handshake was expected`},
		"no newline":       {command("print", "1|1|unix"), "it ended inside the handshake"},
		"endless line":     {command("long"), "it printed a line of more than 16384 bytes"},
		"wrong core":       {command("print", `2|1|unix|/x|grpc|`+cert+`\n `), `version "2" of go-plugin's handshake`},
		"wrong version":    {command("print", `1|2|unix|/x|grpc|`+cert+`\n `), `version "2" of the plugin protocol, this Tocsin speaks 1`},
		"tcp":              {command("print", `1|1|tcp|127.0.0.1:1234|grpc|`+cert+`\n `), "it listens on"},
		"socket elsewhere": {command("print", `1|1|unix|/tmp/s|grpc|`+cert+`\n `), "it listens on"},
		"wrong role":       {command("notifier"), `says that it is a "notifier" plugin, not a source`},
		"binary on stdout": {command("print", "\x01\xff\\n"), "where the handshake was expected"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := newHost(t, func(o *Options) { o.Command = c.command })
			_, err := h.Source(t.Context(), "fake", "main", nil, quick)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `start source plugin "fake"`) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestStartIsCancelled(t *testing.T) {
	h, _ := newHost(t, func(o *Options) { o.Command = command("mute") })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := h.Source(ctx, "fake", "main", nil, quick); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

func TestClosedHost(t *testing.T) {
	h, _ := newHost(t, nil)
	s := openSource(t, h, `{}`)
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Source(t.Context(), "fake", "main", nil, quick); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := collect(t, s, ""); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(h.dir.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the private directory: %v", err)
	}
}

// A process of the same user that finds the socket gets nowhere without the engine's certificate.
func TestSocketIsPrivate(t *testing.T) {
	h, _ := newHost(t, nil)
	openSource(t, h, `{}`)
	info, err := os.Stat(h.dir.path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of sockets: %v, %v", info.Mode(), err)
	}
	sockets, _ := filepath.Glob(filepath.Join(h.dir.path, "*", "*", "plugin*"))
	if len(sockets) != 1 {
		t.Fatalf("got %v", sockets)
	}
	for name, with := range map[string]credentials.TransportCredentials{
		"plain":                     insecure.NewCredentials(),
		"TLS without a certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
	} {
		conn, err := grpc.NewClient("unix:"+sockets[0], grpc.WithTransportCredentials(with))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := plugin.NewClient(conn).Info(t.Context()); !errors.Is(err, plugin.ErrConnection) {
			t.Errorf("%s: got %v", name, err)
		}
		_ = conn.Close()
	}
}
