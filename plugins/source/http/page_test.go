package httpsource

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/sdk/source"
)

// TestUnchangedAllocatesNothing: neither a plain page, nor one with timestamps, nor one with a series twice.
func TestUnchangedAllocatesNothing(t *testing.T) {
	for name, text := range map[string]string{
		"plain":        small,
		"timestamps":   strings.ReplaceAll(small, "\nfree 7", "\nfree 7 1700000000000"),
		"series twice": small + "free 8\n",
	} {
		p := &page{honor: true}
		in := input([]byte(text), promText)
		read := func() {
			if _, err := p.read(in, 0); err != nil {
				t.Fatal(err)
			}
		}
		read()
		read()
		if n := testing.AllocsPerRun(10, read); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestRowsStay: a row stays as it is while the next page of the target is read, whatever that is.
func TestRowsStay(t *testing.T) {
	pages := []string{"a 1\nb 2\n", "a 3\nb 4\n", "a 5\nb 6\na 7\n", "a 8\nb 9\na 7\n", "b 10\nc 11\n", "b 1 5\nc 2\n", "b 3 6\nc 4\n", "bad", "a 1\nb 2\n"}
	for _, first := range pages {
		for _, second := range pages {
			for _, third := range pages {
				p := &page{honor: true}
				var last []sample
				var row row
				for _, text := range []string{first, second, third, first} {
					layout := p.layout
					r, err := p.read(input([]byte(text), promText), 0)
					if last != nil {
						if d := diff(last, samplesOf(t, layout, row)); d != "" {
							t.Fatalf("%q, %q, %q: the row before %q changed: %s", first, second, third, text, d)
						}
					}
					if err != nil {
						continue
					}
					row, last = r, samplesOf(t, p.layout, r)
				}
			}
		}
	}
}

// TestConcurrent hammers one source from many sides.
func TestConcurrent(t *testing.T) {
	var n atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text(fmt.Sprintf("a%d 1\nb{path=%q} 2\n", n.Add(1)%3, r.URL.Path))(w, r)
	})
	s := configured(t, `{}`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 30 {
				path := fmt.Sprint("/", i%3)
				c, err := s.Collect(t.Context(), source.Target{ID: path, Address: server.URL + path, Timeout: 30 * time.Second})
				if err != nil {
					t.Error(err)
					return
				}
				if got := c.Frame.Layout.Series[1].Labels.Get("path"); got != path || len(c.Frame.Values) != 2 {
					t.Errorf("%s: got the page of %s", path, got)
				}
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			if err := s.Configure(t.Context(), []byte(`{}`)); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// TestForgetsTargets: what is known of targets that are gone does not stay.
func TestForgetsTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scraper{pages: map[string]*page{}}
		for i := range 100 {
			s.page(source.Target{ID: fmt.Sprint(i)}, &settings{}, time.Now())
		}
		for range 10 {
			time.Sleep(forgetAfter / 5)
			s.page(source.Target{ID: "stays"}, &settings{}, time.Now())
		}
		if len(s.pages) != 1 {
			t.Errorf("%d pages", len(s.pages))
		}
	})
}
