package pluginhost

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

func TestParseLogLine(t *testing.T) {
	type fields = []logField
	for line, want := range map[string]logLine{
		`{"@level":"warn","@message":"m","@timestamp":"2026-01-02T03:04:05Z","@module":"x"}`: {zerolog.WarnLevel, "m", fields{{"@module", "x"}}},
		`{"level":"info","message":"m","time":"t","n":1.50,"l":[1, 2],"o":{"a": null}}`:      {zerolog.InfoLevel, "m", fields{{"l", "[1,2]"}, {"n", "1.50"}, {"o", `{"a":null}`}}},
		`{"time":"t","level":"ERROR+2","msg":"m"}`:                                           {zerolog.ErrorLevel, "m", nil},
		`{"level":"fatal","msg":"m"}`:                                                        {zerolog.ErrorLevel, "m", nil},
		`{"level":"loud","msg":"m"}`:                                                         {zerolog.DebugLevel, "m", nil},
		`{"@message":1}`:                                                                     {zerolog.DebugLevel, `{"@message":1}`, nil},
		`{"@level":{}}`:                                                                      {zerolog.DebugLevel, `{"@level":{}}`, nil},
		`{"@level":{},"@message":"m","@timestamp":7}`:                                        {zerolog.DebugLevel, "m", fields{{"@level", "{}"}, {"@timestamp", "7"}}},
		`{"other":"json"}`:                                                                   {zerolog.DebugLevel, `{"other":"json"}`, nil},
		`{"msg":"half`:                                                                       {zerolog.DebugLevel, `{"msg":"half`, nil},
		`null`:                                                                               {zerolog.DebugLevel, "null", nil},
		`[WARN] careful`:                                                                     {zerolog.WarnLevel, "careful", nil},
		`[main] careful`:                                                                     {zerolog.DebugLevel, "[main] careful", nil},
		"plain\r\n":                                                                          {zerolog.DebugLevel, "plain", nil},
		"\xff\x00":                                                                           {zerolog.DebugLevel, "\ufffd\x00", nil},
		`{"msg":"\ud800"}`:                                                                   {zerolog.DebugLevel, "\ufffd", nil},
		``:                                                                                   {zerolog.DebugLevel, "", nil},
	} {
		got := parseLogLine([]byte(line))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(logLine{}, logField{})); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

func FuzzParseLogLine(f *testing.F) {
	f.Add([]byte(`{"@message":1}`))
	f.Add([]byte(`{"@level":{},"a":{"b":[1,2,{}]}}`))
	f.Add([]byte("[ERROR] x"))
	f.Fuzz(func(t *testing.T, line []byte) {
		parsed := parseLogLine(line)
		if !utf8.ValidString(parsed.message) {
			t.Error("a message that is no UTF-8")
		}
		log := newLogBuffer()
		newBridge(zerolog.New(log)).emit(parsed)
		for record := range strings.Lines(log.String()) {
			if !json.Valid([]byte(record)) {
				t.Errorf("a record that is no JSON: %q", record)
			}
		}
	})
}

// Whatever a plugin prints, the engine lives, and logs what it can make of it.
func TestHostileOutput(t *testing.T) {
	h, log := newHost(t, nil)
	s := openSource(t, h, `{"key":"hunter2"}`, "hunter2")
	for _, text := range []string{
		"{\"@message\":1}\n", "{\"@level\":{}}\n", strings.Repeat("long", 1<<18) + "\n", "\x00\x01\xfe\xff\n", "half a line", " and the rest\n",
		"{\"@message\":\"at hunter2\",\"@level\":\"info\",\"level\":\"fake\",\"pid\":1,\"plugin\":\"other\"}\n", "\n\n", "hunter2 in plain\n", "[ERROR] loud\n",
	} {
		mustCollect(t, s, "stderr:"+strconv.Quote(text))
		mustCollect(t, s, "stdout:"+strconv.Quote(text))
	}
	mustCollect(t, s, "slog:structured")
	log.await(t, `"level":"debug"`, `{\"@message\":1}`)
	log.await(t, `"level":"debug"`, `{\"@level\":{}}`)
	log.await(t, `"message":"half a line and the rest"`)
	log.await(t, `"level":"info"`, `"message":"at (sensitive)"`, `"plugin":"source/fake"`, `"plugin_pid":"1"`, `"plugin_level":"fake"`, `"plugin_plugin":"other"`)
	log.await(t, `"message":"(sensitive) in plain"`)
	log.await(t, `"level":"error"`, `"message":"loud"`)
	log.await(t, `"level":"warn"`, `"message":"structured"`, `"key":"(sensitive)"`, `"nested":"{\"a\":1}"`)
	if strings.Contains(log.String(), "hunter2") {
		t.Error("a secret is in the log")
	}
	for record := range strings.Lines(log.String()) {
		if len(record) > maxLine+1000 {
			t.Errorf("a record of %d bytes", len(record))
		}
	}
	if h.Processes()[0].Restarts != 0 {
		t.Error("the plugin was started again")
	}
}

func TestPlainOutputBeforeTheHandshakeIsTold(t *testing.T) {
	h, _ := newHost(t, func(o *Options) { o.Command = command("print", `loading...\n1|1|unix|/x|grpc|y\n`) })
	_, err := h.Source(t.Context(), "fake", "main", nil, quick)
	if err == nil || !strings.Contains(err.Error(), `printed "loading..."`) {
		t.Fatalf("got %v", err)
	}
}

// pipe feeds a bridge.
func pipe(t *testing.T, log zerolog.Logger, exited chan struct{}) (w *os.File, done chan struct{}) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		defer r.Close()
		newBridge(log).readLog(r, exited)
	}()
	return w, done
}

func TestLogFlood(t *testing.T) {
	log := newLogBuffer()
	w, done := pipe(t, zerolog.New(log), nil)
	const lines = 5000
	for range lines {
		if _, err := w.WriteString("again\n"); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	<-done
	written, dropped := 0, 0
	for record := range strings.Lines(log.String()) {
		var r struct {
			Message string
			Dropped int
		}
		if err := json.Unmarshal([]byte(record), &r); err != nil {
			t.Fatal(err)
		}
		if r.Message == "again" {
			written++
		}
		dropped += r.Dropped
	}
	if written < linesAtOnce || written > lines/2 || written+dropped != lines {
		t.Errorf("%d lines written and %d dropped of %d", written, dropped, lines)
	}
}

func TestPanicThatIsSurvived(t *testing.T) {
	log := newLogBuffer()
	w, done := pipe(t, zerolog.New(log), nil)
	if _, err := w.WriteString("before\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n"); err != nil {
		t.Fatal(err)
	}
	log.await(t, `"level":"error"`, `"message":"panic: boom"`, `goroutine 1 [running]:\nmain.main()`) // after a silence
	if _, err := w.WriteString("after"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	<-done
	log.await(t, `"message":"after"`)
}

func TestPanicWithoutAnEnd(t *testing.T) {
	log := newLogBuffer()
	w, done := pipe(t, zerolog.New(log), nil)
	if _, err := w.WriteString("panic: boom\n" + strings.Repeat("more\n", maxPanic)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	<-done
	for record := range strings.Lines(log.String()) {
		if len(record) > 2*maxPanic {
			t.Errorf("a record of %d bytes", len(record))
		}
	}
}

func TestReadLine(t *testing.T) {
	r := bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", 3*maxLine)+"\nnext\nlast"), 16)
	line, err := readLine(r)
	if len(line) != maxLine || err != nil {
		t.Errorf("%d bytes, %v", len(line), err)
	}
	if line, _ := readLine(r); string(line) != "next" {
		t.Errorf("got %q", line)
	}
	if line, err := readLine(r); string(line) != "last" || err == nil {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestScrubber(t *testing.T) {
	s := newScrubber([]string{"secret", "secret-and-more", "a\"b/c d", "short"})
	for text, want := range map[string]string{
		"a secret here":     "a (sensitive) here",
		"secret-and-more":   "(sensitive)",
		`{"x":"a\"b/c d"}`:  `{"x":"(sensitive)"}`,
		"/?key=a%22b%2Fc+d": "/?key=(sensitive)",
		"short":             "short",
	} {
		if got := s.text(text); got != want {
			t.Errorf("%s: got %s", text, got)
		}
	}
	err := s.error(errors.Join(ErrUnavailable, errors.New("secret")))
	if !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	diags := s.diagnostics(schema.Diagnostics{{Summary: "secret", Detail: "secret"}})
	if diff := cmp.Diff(schema.Diagnostics{{Summary: secretMark, Detail: secretMark}}, diags); diff != "" {
		t.Error(diff)
	}
	var none *scrubber
	if newScrubber(nil) != none || none.text("x") != "x" {
		t.Error("no secrets")
	}
}
