// Package httpsource is the built-in source "http": it scrapes pages in the Prometheus text format, OpenMetrics and
// Prometheus' protobuf format over HTTP, as Prometheus does, and turns each into a frame.
//
// The way of a page: config.go and client.go (what to ask, with which credentials), fetch.go (one request, bounded in
// time and size), format.go (what came), page.go (what is known of this target), predict.go (compare with the page
// before, read only values), resync.go (where it differs), learn.go, protobuf.go and native.go (Prometheus' own parsers:
// the last word), row.go (values in columns).
package httpsource

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/schema"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// New returns an http source.
func New() source.Source { return &scraper{} }

// scraper is one configured http source.
type scraper struct {
	mu       sync.Mutex
	settings settings
	fetcher  *fetcher // nil until configured
	pages    map[string]*page
	swept    time.Time
}

// forgetAfter is how long what is known of a page is kept without being asked for it. A target that comes back later
// costs one parse.
const forgetAfter = 15 * time.Minute

// Schema implements [source.Source].
func (s *scraper) Schema() schema.Block { return schema.MustOf(settings{}) }

// Configure implements [source.Source]. It reads certificates and checks that they fit, but no other files of
// secrets: those are read for each request, so that they can change.
func (s *scraper) Configure(_ context.Context, config []byte) error {
	decoded, err := decode(config)
	if err != nil {
		return err
	}
	fetcher, err := newFetcher(&decoded)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetcher != nil {
		s.fetcher.clients.close()
	}
	s.settings, s.fetcher, s.pages = decoded, fetcher, map[string]*page{}
	return nil
}

// Close closes idle connections.
func (s *scraper) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetcher != nil {
		s.fetcher.clients.close()
	}
	return nil
}

// Collect implements [source.Source]. The row of the frame is used again by the second Collect of the same target
// after this one; send it, or copy it.
//
// Where a page has timestamps of its own and they are honoured, the frame has Times; values without one carry the
// time of the request, which is also the frame's Time.
func (s *scraper) Collect(ctx context.Context, target source.Target) (source.Collection, error) {
	s.mu.Lock()
	fetcher, settings := s.fetcher, s.settings
	s.mu.Unlock()
	if fetcher == nil {
		return source.Collection{}, fmt.Errorf("the http source is not configured")
	}
	e, err := settings.endpointOf(target.Address)
	if err != nil {
		return source.Collection{}, err
	}
	if target.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, target.Timeout)
		defer cancel()
	}
	now := time.Now()
	memory := takeBuffer()
	defer memory.free()
	b, err := fetcher.get(ctx, e, target.Timeout, target.Limits.Bytes, memory.bytes)
	memory.bytes = b.bytes
	if err != nil {
		return source.Collection{}, fmt.Errorf("scrape %s: %w", e, err)
	}
	p := s.page(target, &settings, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	r, err := p.read(b, target.Limits.Series)
	if err != nil {
		return source.Collection{}, fmt.Errorf("scrape %s: %w", e, err)
	}
	return source.Collection{
		Frame:     p.frame(r, now),
		Truncated: b.truncated || p.dropped || p.short,
		Bytes:     int64(len(b.bytes)),
	}, nil
}

// frame makes a frame of a row.
func (p *page) frame(r row, now time.Time) frame.Frame {
	f := frame.Frame{Layout: p.layout, Values: r.values}
	if len(r.stamps) == 0 {
		return f
	}
	f.Time, f.Times = now.UnixMilli(), r.stamps
	for i, stamp := range f.Times {
		if stamp == noStamp {
			f.Times[i] = f.Time
		}
	}
	return f
}

// page returns what is known of a target's page.
func (s *scraper) page(target source.Target, settings *settings, now time.Time) *page {
	id := target.ID
	if id == "" {
		id = target.Address
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) > forgetAfter/4 {
		s.swept = now
		for id, p := range s.pages {
			if now.Sub(p.used) > forgetAfter {
				delete(s.pages, id)
			}
		}
	}
	p := s.pages[id]
	if p == nil {
		p = &page{honor: settings.HonorTimestamps}
		if settings.ScrapeNativeHistograms {
			p.native = settings.BucketLimit
		}
		s.pages[id] = p
	}
	p.used = now
	return p
}

// buffer is the memory of a page while it is read.
type buffer struct{ bytes []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func takeBuffer() *buffer {
	b, ok := buffers.Get().(*buffer)
	if !ok {
		b = new(buffer)
	}
	return b
}

func (b *buffer) free() {
	if cap(b.bytes) <= 16<<20 { // larger pages are rare, and should not stay
		buffers.Put(b)
	}
}
