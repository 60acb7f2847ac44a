package httpsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// fetcher gets pages: the HTTP half of a scrape.
type fetcher struct {
	clients  *clients
	header   http.Header // of each request, but for the timeout
	limit    int64       // bytes of a page
	fallback format
}

func newFetcher(s *settings) (*fetcher, error) {
	clients, err := newClients(s)
	if err != nil {
		return nil, err
	}
	limit, err := parseSize(s.BodySizeLimit)
	if err != nil {
		return nil, fmt.Errorf("body_size_limit %w", err)
	}
	encoding := "identity"
	if s.EnableCompression {
		encoding = "gzip"
	}
	return &fetcher{
		clients:  clients,
		limit:    limit,
		fallback: protocols[s.FallbackScrapeProtocol].format,
		header: http.Header{
			"Accept":          {acceptHeader(s.ScrapeProtocols)},
			"Accept-Encoding": {encoding},
			"User-Agent":      {userAgent()},
		},
	}, nil
}

// userAgent names us and our version.
func userAgent() string {
	version := "dev"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return "Tocsin/" + version
}

// body is a page as it came, uncompressed.
type body struct {
	bytes     []byte // with room for one more byte
	format    format
	truncated bool // the size limit was hit, this is the beginning
}

// get reads the page at e into buf, whose memory may be used and returned even when there is an error. A page longer
// than limit bytes (0: only the configured limit counts) is cut there.
func (f *fetcher) get(ctx context.Context, e endpoint, timeout time.Duration, limit int64, buf []byte) (body, error) {
	if limit <= 0 || limit > f.limit {
		limit = f.limit
	}
	client, err := f.clients.of(e)
	if err != nil {
		return body{bytes: buf}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, http.NoBody)
	if err != nil {
		return body{bytes: buf}, fmt.Errorf("make the request: %w", err)
	}
	maps.Copy(request.Header, f.header)
	if timeout > 0 {
		request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64))
	}
	response, err := client.Do(request)
	if err != nil {
		return body{bytes: buf}, plainError(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		// A short rest is worth reading: the connection can then be used again.
		_, _ = io.CopyN(io.Discard, response.Body, 4<<10)
		return body{bytes: buf}, fmt.Errorf("the answer is %.100s, only 200 OK has metrics", response.Status)
	}
	return f.read(response, limit, buf)
}

// read reads and uncompresses the answer.
func (f *fetcher) read(response *http.Response, limit int64, buf []byte) (body, error) {
	result := body{bytes: buf[:0]}
	var from io.Reader = response.Body
	switch encoding := response.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		if n := response.ContentLength; n > 0 {
			result.bytes = withRoom(result.bytes, min(n, limit)+1)
		}
	case "gzip":
		z, err := newGzip(response.Body)
		if err != nil {
			return result, fmt.Errorf("read the gzip header: %w", noEOF(err))
		}
		defer z.free()
		from = z
	default:
		return result, fmt.Errorf("the answer has the Content-Encoding %.100q, only gzip is asked for", encoding)
	}
	var err error
	if result.bytes, result.truncated, err = readUpTo(from, limit, result.bytes); err != nil {
		return result, fmt.Errorf("read the page after %d bytes: %w", len(result.bytes), noEOF(err))
	}
	if from != response.Body && !result.truncated {
		// What follows the compressed page: the end of the chunked coding, without which the connection could not be
		// used again.
		_, _ = io.CopyN(io.Discard, response.Body, 512)
	}
	if len(result.bytes) == 0 {
		return result, nil // an empty page has no series, whatever it calls itself
	}
	result.format, err = formatOf(response.Header.Get("Content-Type"), f.fallback)
	return result, err
}

// noEOF makes an end that came too early look like one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readUpTo reads to the end, or to limit bytes: then truncated is true.
func readUpTo(from io.Reader, limit int64, buf []byte) (_ []byte, truncated bool, err error) {
	for {
		if len(buf) == cap(buf) {
			buf = withRoom(buf, min(limit+1, max(int64(2*cap(buf)), 64<<10)))
		}
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf[:limit], true, nil
		case errors.Is(err, io.EOF):
			return withRoom(buf, int64(len(buf))+1), false, nil
		case err != nil:
			return buf, false, err
		}
	}
}

// withRoom returns buf with at least the given capacity.
func withRoom(buf []byte, capacity int64) []byte {
	if int64(cap(buf)) >= capacity {
		return buf
	}
	grown := make([]byte, len(buf), capacity)
	copy(grown, buf)
	return grown
}

// gzipReader is a decompressor that can be used again: making one costs 40 KB.
type gzipReader struct{ gzip.Reader }

var gzipReaders = sync.Pool{New: func() any { return new(gzipReader) }}

func newGzip(from io.Reader) (*gzipReader, error) {
	z, ok := gzipReaders.Get().(*gzipReader)
	if !ok {
		z = new(gzipReader)
	}
	if err := z.Reset(from); err != nil {
		gzipReaders.Put(z)
		return nil, err
	}
	return z, nil
}

func (z *gzipReader) free() {
	_ = z.Close()
	gzipReaders.Put(z)
}
