package httpsource

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/tocsinhq/tocsin/sdk/source"
)

// TestHangs: a target that does not come to an end costs its own timeout.
func TestHangs(t *testing.T) {
	zeros := make([]byte, 64<<10)
	for name, handler := range map[string]http.HandlerFunc{
		"never answers": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"stops in the page": func(w http.ResponseWriter, r *http.Request) {
			text("a 1\n")(w, r)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"drips": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentTypes[promText])
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				<-tick.C
				_, _ = w.Write([]byte("#"))
				w.(http.Flusher).Flush()
			}
		},
		"gzip without end": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(zeros)
			_ = z.Flush()
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, handler)
			s := configured(t, `{}`)
			_, err := s.Collect(t.Context(), source.Target{Address: address(server), Timeout: 100 * time.Millisecond})
			if err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
				t.Error(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.Collect(ctx, source.Target{Address: address(server)}); err == nil {
				t.Error("no error after cancel")
			}
		})
	}
}

// TestEndless: of what has no end the limit is read, in bounded memory.
func TestEndless(t *testing.T) {
	const limit = 1 << 20
	zeros := make([]byte, 64<<10)
	lines := bytes.Repeat([]byte("# a comment\n"), 5000)
	forever := func(f format, part []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentTypes[f])
			for r.Context().Err() == nil {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}
	}
	bomb := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentTypes[promText])
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for r.Context().Err() == nil {
			if _, err := z.Write(lines); err != nil {
				return
			}
		}
	}
	short := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentTypes[promText])
		out := bufio.NewWriter(w)
		for i := 0; r.Context().Err() == nil; i++ {
			if _, err := fmt.Fprintf(out, "a%d 1\n", i); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		err     string
	}{
		"zeros":            {forever(promText, zeros), ""}, // nothing before the first line feed
		"zeros, protobuf":  {forever(protobuf, zeros), "have no metrics"},
		"comments":         {forever(promText, lines), ""},
		"gzip bomb":        {bomb, ""},
		"series":           {short, ""},
		"OpenMetrics text": {forever(openMetrics, lines), "parse the page as OpenMetrics"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, c.handler)
			s := configured(t, `{}`)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			got, err := s.Collect(t.Context(), source.Target{Address: address(server), Timeout: 30 * time.Second, Limits: source.Limits{Bytes: limit}})
			runtime.ReadMemStats(&after)
			if c.err == "" && (err != nil || !got.Truncated || got.Bytes != limit) ||
				c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, truncated %v, %d bytes", err, got.Truncated, got.Bytes)
			}
			// A series of a few bytes costs some hundred: its name, labels, line and value.
			if used := after.TotalAlloc - before.TotalAlloc; used > 120*limit {
				t.Errorf("%d MiB allocated for a page of %d", used>>20, limit>>20)
			}
		})
	}
}

func TestRedirectsWithoutEnd(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
	})
	_, err := collect(t, configured(t, `{}`), address(server))
	if err == nil || !strings.Contains(err.Error(), "redirected without end") {
		t.Error(err)
	}
	_, err = collect(t, configured(t, `{"follow_redirects":false}`), address(server))
	if err == nil || !strings.Contains(err.Error(), "302 Found") {
		t.Error(err)
	}
}

func pack(page []byte) []byte {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(page)
	_ = z.Close()
	return packed.Bytes()
}

func TestBadAnswers(t *testing.T) {
	gz := pack(bytes.Repeat([]byte("a 1\n"), 1000))
	broken := bytes.Clone(gz)
	broken[len(broken)-6] ^= 1 // the checksum
	answer := func(header, value string, status int, page []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentTypes[promText])
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = w.Write(page)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"500":              {answer("X", "", 500, []byte("a 1\n")), "the answer is 500 Internal Server Error"},
		"204":              {answer("X", "", 204, nil), "204 No Content"},
		"long body of 404": {answer("X", "", 404, make([]byte, 1<<20)), "404 Not Found"},
		"not gzip":         {answer("Content-Encoding", "gzip", 200, []byte("a 1\n")), "read the gzip header"},
		"truncated gzip":   {answer("Content-Encoding", "gzip", 200, gz[:len(gz)/2]), "unexpected EOF"},
		"gzip header only": {answer("Content-Encoding", "gzip", 200, gz[:10]), "unexpected EOF"},
		"broken gzip":      {answer("Content-Encoding", "gzip", 200, broken), "checksum"},
		"brotli":           {answer("Content-Encoding", "br", 200, gz), `Content-Encoding "br"`},
		"garbage":          {answer("X", "", 200, []byte("\x7fELF\x02\x01 garbage\n")), "parse the page"},
		"invalid UTF-8":    {answer("X", "", 200, []byte("a{b=\"\xff\"} 1\n")), "UTF-8"},
		"huge garbage":     {answer("X", "", 200, bytes.Repeat([]byte("ü"), 1<<20)), "parse the page"},
		"huge label": {
			answer("X", "", 200, []byte("a{b=\""+strings.Repeat("x", 17<<20)+"\"} 1\n")), "the parser gave up",
		},
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentTypes[promText])
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("a 1\n"))
		}, "unexpected EOF"},
		"connection closed": {func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_ = c.Close()
			}
		}, "EOF"},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_, _ = c.Write([]byte("SSH-2.0-x\r\n"))
				_ = c.Close()
			}
		}, "malformed HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, c.handler)
			s := configured(t, `{}`)
			_, err := collect(t, s, address(server))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes: %.200v", len(err.Error()), err)
			}
		})
	}
}

// TestLargeLabel: large values that Prometheus takes are taken.
func TestLargeLabel(t *testing.T) {
	value := strings.Repeat("x", 1<<20)
	server := serve(t, text("a{b=\""+value+"\"} 1\n"))
	c := mustCollect(t, configured(t, `{}`), address(server))
	if got := c.Frame.Layout.Series[0].Labels.Get("b"); got != value {
		t.Errorf("a label of %d bytes", len(got))
	}
}

// TestHostileProtobuf: nothing in a protobuf page may end the process.
func TestHostileProtobuf(t *testing.T) {
	family := func(fields ...byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(fields))), fields...) }
	for name, in := range map[string][]byte{
		"empty families":   make([]byte, 20<<20), // the parser calls itself for each
		"named, no metric": bytes.Repeat(family(0x0a, 1, 'a'), 1<<20),
		"cut":              {200, 1, 0x0a, 1, 'a'},
		"endless varint":   bytes.Repeat([]byte{0xff}, 100),
		"huge size":        {0xff, 0xff, 0xff, 0xff, 0x0f},
		"group":            family(0x0b, 0x0b, 0x0b),
		"unknown type":     family(0x0a, 1, 'a', 0x18, 99, 0x22, 0),
		"bad name":         family(0x0a, 1, 0xff, 0x18, 0, 0x22, 0),
		"no name":          family(0x18, 0, 0x22, 0),
	} {
		p := &page{}
		if _, err := p.read(body{bytes: in, format: protobuf}, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzProtobuf(f *testing.F) {
	f.Add([]byte{7, 0x0a, 1, 'a', 0x18, 0, 0x22, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		want, wantErr := oracle(in, protobuf)
		p := &page{honor: true}
		for range 2 {
			got, err := readText(t, p, in, protobuf)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%v, oracle: %v", err, wantErr)
			}
			if d := diff(want, withoutKinds(got)); d != "" {
				t.Fatal(d)
			}
		}
	})
}

func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/s"
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: text("a 1\n"), ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	s := configured(t, `{}`)
	for _, target := range []string{"unix:" + path, "unix://" + path} {
		if got := shown(mustCollect(t, s, target).Frame); got != "a{} 1\n" {
			t.Errorf("%s: %s", target, got)
		}
	}
	if _, err := collect(t, s, "unix:"+path+"x"); err == nil || !strings.Contains(err.Error(), path+"x") {
		t.Error(err)
	}
}
