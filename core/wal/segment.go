package wal

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A segment is its header and records: the length of each, a checksum of the length, one of the content (4 bytes each),
// the content. All numbers are little-endian. The length has a checksum of its own so that a damaged one is not taken for
// a record that was not written to its end.
var header = []byte("TSWAL\x00\x00\x01") // the last byte is the version

const (
	recordHead = 12
	suffix     = ".wal"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends a record to what is to be written.
func appendRecord(b, record []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(record)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[len(b)-4:], castagnoli))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(record, castagnoli))
	return append(b, record...)
}

// length reads the head of a record; not ok if it is damaged.
func length(head []byte) (n int64, ok bool) {
	n = int64(binary.LittleEndian.Uint32(head))
	return n, crc32.Checksum(head[:4], castagnoli) == binary.LittleEndian.Uint32(head[4:])
}

// segment is a file of the log.
type segment struct {
	path   string
	number uint64
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%08d%s", number, suffix))
}

// list returns the segments in order.
func list(dir string) ([]segment, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, f := range files {
		name, ours := strings.CutSuffix(f.Name(), suffix)
		if number, err := strconv.ParseUint(name, 10, 64); ours && err == nil {
			all = append(all, segment{filepath.Join(dir, f.Name()), number})
		}
	}
	slices.SortFunc(all, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return all, nil
}

// Replayed says what was read at a start.
type Replayed struct {
	Records  int
	Bytes    int64
	Refused  int   // records that could not be applied
	Torn     int64 // bytes at the end that a crash left half written
	Damaged  int   // segments of which a part could not be read
	Duration time.Duration
}

// Replay hands all records to apply, in order, before Start. Whatever cannot be read or applied is said and counted, and
// does not keep the log from being used: a segment's records behind a damage are lost, those of the next are read.
func (l *Log) Replay(apply func(record []byte) error) (r Replayed) {
	began := time.Now()
	segments, err := list(l.options.Dir)
	if err != nil {
		l.options.Logger.Error().Err(err).Msg("the windows' log cannot be read: the windows begin anew")
		r.Damaged++
	}
	for _, s := range segments {
		err := r.segment(s.path, func(record []byte) {
			r.Records++
			if err := apply(record); err != nil {
				if r.Refused++; r.Refused == 1 {
					l.options.Logger.Error().Err(err).Msg("a part of the windows' log is of no use")
				}
			}
		})
		if err != nil {
			r.Damaged++
			l.damaged[s.path] = true
			l.options.Logger.Error().Err(err).Str("segment", s.path).Msg("the windows' log is damaged: what follows in this segment is lost, and the file is put aside")
		}
	}
	if r.Torn > 0 {
		l.options.Logger.Info().Int64("bytes", r.Torn).Msg("the windows' log ends in a record that was not written to its end: it is dropped")
	}
	r.Duration = time.Since(began)
	return r
}

// segment reads one. The error says where it is damaged.
func (r *Replayed) segment(path string, take func([]byte)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	n, torn, err := read(bufio.NewReaderSize(f, 1<<18), info.Size(), take)
	r.Bytes += n
	if torn {
		r.Torn += info.Size() - n
	}
	return err
}

// read reads the records of a segment of a size, and returns how many bytes of it are good. The rest is torn where a
// crash, or a disk that was full, explains it; otherwise the error says what is wrong.
func read(in io.Reader, size int64, take func([]byte)) (good int64, torn bool, err error) {
	first, head := make([]byte, len(header)), make([]byte, recordHead)
	if _, err := io.ReadFull(in, first); err != nil {
		return 0, size > 0, unexpected(err)
	}
	if !bytes.Equal(first, header) {
		if torn, err := zeros(first, in); torn || err != nil {
			return 0, torn, err
		}
		return 0, false, errors.New("it is not a segment of this version")
	}
	good = int64(len(header))
	var record []byte
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			return good, !errors.Is(err, io.EOF), unexpected(err)
		}
		n, ok := length(head)
		if !ok {
			if torn, err := zeros(head, in); torn || err != nil {
				return good, torn, err
			}
			return good, false, fmt.Errorf("the record at byte %d has a damaged length", good)
		}
		if n > size-good-recordHead {
			return good, true, nil
		}
		if int64(cap(record)) < n {
			record = make([]byte, n)
		}
		record = record[:n]
		if _, err := io.ReadFull(in, record); err != nil {
			return good, true, unexpected(err)
		}
		if crc32.Checksum(record, castagnoli) != binary.LittleEndian.Uint32(head[8:]) {
			return good, false, fmt.Errorf("the record at byte %d does not match its checksum", good)
		}
		take(record)
		good += recordHead + n
	}
}

// unexpected is an error of reading other than the end of the file.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// zeros tells whether nothing but zeros follows: some file systems extend a file before they fill it.
func zeros(head []byte, in io.Reader) (bool, error) {
	buffer := make([]byte, 1<<15)
	for part := head; ; {
		if len(bytes.Trim(part, "\x00")) > 0 {
			return false, nil
		}
		n, err := in.Read(buffer)
		if n == 0 && err != nil {
			return unexpected(err) == nil, unexpected(err)
		}
		part = buffer[:n]
	}
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
