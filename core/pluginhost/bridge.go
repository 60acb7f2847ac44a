package pluginhost

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

const (
	maxLine      = 64 << 10 // bytes of a log line that are kept
	maxPanic     = 64 << 10 // bytes of a panic's text
	linesPerSec  = 100
	linesAtOnce  = 200
	panicSilence = time.Second // ends a panic's text that the process survived
)

// bridge carries what a plugin prints into the engine's log.
type bridge struct {
	log   zerolog.Logger
	scrub atomic.Pointer[scrubber] // secrets come with instances

	mu      sync.Mutex
	limiter *rate.Limiter
	dropped int
	last    string // message
}

func newBridge(log zerolog.Logger) *bridge {
	return &bridge{log: log, limiter: rate.NewLimiter(linesPerSec, linesAtOnce)}
}

// readLog reads standard error to its end. After the process exited, a read deadline means the end as well.
func (b *bridge) readLog(stderr *os.File, exited <-chan struct{}) {
	r := bufio.NewReaderSize(stderr, 4<<10)
	var block []byte // text of a panic
	defer func() { b.panicked(block); b.flush() }()
	for {
		line, err := readLine(r)
		if errors.Is(err, os.ErrDeadlineExceeded) && block != nil {
			b.panicked(append(block, line...))
			block = nil
			_ = stderr.SetReadDeadline(time.Time{})
			select {
			case <-exited:
				return
			default:
				continue
			}
		}
		if len(line) > 0 || err == nil {
			if block != nil || startsPanic(line) {
				block = append(append(block, line...), '\n')
				_ = stderr.SetReadDeadline(time.Now().Add(panicSilence))
				if len(block) > maxPanic {
					b.panicked(block)
					block = nil
				}
			} else {
				b.emit(parseLogLine(line))
			}
		}
		if err != nil {
			return
		}
	}
}

// readPlain reads what is not meant to be a log, to its end.
func (b *bridge) readPlain(r *bufio.Reader) {
	for {
		line, err := readLine(r)
		if len(line) > 0 {
			b.emit(logLine{level: zerolog.DebugLevel, message: strings.ToValidUTF8(string(line), "\ufffd")})
		}
		if err != nil {
			return
		}
	}
}

// readLine reads a line without its end. Of a line that is too long the rest is dropped.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		chunk, err := r.ReadSlice('\n')
		line = append(line, chunk[:min(len(chunk), maxLine-len(line))]...)
		if err == nil {
			return bytes.TrimRight(line, "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func startsPanic(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) ||
		bytes.HasPrefix(line, []byte("runtime: goroutine stack exceeds"))
}

// panicked logs the text of a panic in one piece.
func (b *bridge) panicked(block []byte) {
	if len(block) == 0 {
		return
	}
	text := strings.ToValidUTF8(string(block), "\ufffd")
	head, rest, _ := strings.Cut(text, "\n")
	b.emit(logLine{level: zerolog.ErrorLevel, message: head, fields: []logField{{"stack", strings.TrimSpace(rest)}}})
}

// emit logs a line, unless there are too many.
func (b *bridge) emit(line logLine) {
	if line.message == "" && len(line.fields) == 0 {
		return
	}
	scrub := b.scrub.Load()
	message := scrub.text(line.message)
	b.mu.Lock()
	if message != "" {
		b.last = message
	}
	if !b.limiter.Allow() {
		b.dropped++
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.flush()
	event := b.log.WithLevel(line.level)
	for _, f := range line.fields {
		event.Str(fieldName(scrub.text(f.name)), scrub.text(f.value))
	}
	event.Msg(message)
}

// fieldName keeps plugins from writing fields that are ours.
func fieldName(name string) string {
	switch name {
	case zerolog.LevelFieldName, zerolog.MessageFieldName, zerolog.TimestampFieldName, zerolog.ErrorFieldName, "plugin", "pid":
		return "plugin_" + name
	}
	return name
}

// flush says how many lines were dropped.
func (b *bridge) flush() {
	b.mu.Lock()
	dropped := b.dropped
	b.dropped = 0
	b.mu.Unlock()
	if dropped > 0 {
		b.log.Warn().Int("dropped", dropped).Msg("the plugin logs too much: lines were dropped")
	}
}

// problem logs what went wrong on our side.
func (b *bridge) problem(doing string, err error) {
	b.log.Warn().Err(err).Msg(doing)
}

// lastLine is the message of the last line, shortened.
func (b *bridge) lastLine() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	const most = 300
	if len(b.last) > most {
		return strings.ToValidUTF8(b.last[:most], "") + "…"
	}
	return b.last
}

// writer is where go-plugin copies what the plugin prints after the handshake.
func (b *bridge) writer() io.Writer { return &lineWriter{bridge: b} }

// lineWriter splits what is written into lines. go-plugin writes from one goroutine.
type lineWriter struct {
	bridge *bridge
	rest   []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.rest = append(w.rest, p[:min(len(p), maxLine-len(w.rest))]...)
			return n, nil
		}
		w.rest = append(w.rest, p[:min(i, maxLine-len(w.rest))]...)
		w.bridge.emit(parseLogLine(w.rest))
		w.rest, p = w.rest[:0], p[i+1:]
	}
}
