package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

const (
	spillSize   = 4 << 20 // bytes of disk, taken while all is well
	spillMagic  = "TSPILL1\n"
	spillHeader = int64(len(spillMagic) + 8 + 4)
)

var errSpillFull = errors.New("the spill file is full")

// spill is a file that has all its blocks from the start, so that writes can be put down when a disk is full. It is
// written from its beginning to its end, and then anew as another generation.
//
//	header: "TSPILL1\n", generation (8 bytes), checksum of both (4)
//	record: length (4), checksum of generation and payload (4), payload: keys with values, each with its length
//
// Numbers are little endian. A record of another generation has a wrong checksum: it ends the file.
type spill struct {
	file       *os.File
	generation uint64
	end        int64 // of the last record
}

var errSpillDamaged = errors.New("it has no header")

// makeSpill makes a file, in the place of another one.
func makeSpill(path string) (_ *spill, err error) {
	unfinished := path + ".new"
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(unfinished))
		}
	}()
	s := &spill{file: f}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < spillSize; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, at); err != nil {
			return nil, err
		}
	}
	if err := s.clear(); err != nil {
		return nil, err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return nil, err
	}
	return s, syncDir(filepath.Dir(path))
}

// readSpill opens a file and hands over what it holds, the oldest writes first.
func readSpill(path string, visit func(writes map[string][]byte)) (_ *spill, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	all, err := io.ReadAll(io.LimitReader(f, spillSize))
	if err != nil {
		return nil, err
	}
	if int64(len(all)) != spillSize || string(all[:len(spillMagic)]) != spillMagic ||
		binary.LittleEndian.Uint32(all[spillHeader-4:]) != crc32.Checksum(all[:spillHeader-4], castagnoli) {
		return nil, errSpillDamaged
	}
	s := &spill{file: f, generation: binary.LittleEndian.Uint64(all[len(spillMagic):]), end: spillHeader}
	for {
		rest := all[s.end:]
		if len(rest) < 8 {
			return s, nil
		}
		length := int64(binary.LittleEndian.Uint32(rest))
		if length == 0 || length > int64(len(rest))-8 || binary.LittleEndian.Uint32(rest[4:]) != s.sum(rest[8:8+length]) {
			return s, nil
		}
		if writes, ok := decodeWrites(rest[8 : 8+length]); ok {
			visit(writes)
		}
		s.end += 8 + length
	}
}

func (s *spill) sum(payload []byte) uint32 {
	return sum(binary.LittleEndian.AppendUint64(nil, s.generation), payload)
}

// append puts writes down durably. They are all in the file then, or none of them is.
func (s *spill) append(writes map[string][]byte) error {
	record := encodeWrites(make([]byte, 8), writes)
	if s.end+int64(len(record)) > spillSize {
		return errSpillFull
	}
	binary.LittleEndian.PutUint32(record, uint32(len(record)-8)) //nolint:gosec // less than spillSize
	binary.LittleEndian.PutUint32(record[4:], s.sum(record[8:]))
	if _, err := s.file.WriteAt(record, s.end); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.end += int64(len(record))
	return nil
}

// clear forgets all records.
func (s *spill) clear() error {
	header := binary.LittleEndian.AppendUint64([]byte(spillMagic), s.generation+1)
	header = binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
	if _, err := s.file.WriteAt(header, 0); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.generation++
	s.end = spillHeader
	return nil
}

// encodeWrites appends keys and values, each after its length. That of a value is one more than it is long; of a key to be
// deleted it is 0.
func encodeWrites(to []byte, writes map[string][]byte) []byte {
	for key, value := range writes {
		to = append(binary.AppendUvarint(to, uint64(len(key))), key...)
		if value == nil {
			to = append(to, 0)
			continue
		}
		to = append(binary.AppendUvarint(to, uint64(len(value))+1), value...)
	}
	return to
}

func decodeWrites(from []byte) (writes map[string][]byte, ok bool) {
	take := func(n uint64) (field []byte) {
		field, from = from[:n:n], from[n:]
		return field
	}
	number := func() (uint64, bool) {
		n, size := binary.Uvarint(from)
		if size <= 0 {
			return 0, false
		}
		from = from[size:]
		return n, true
	}
	for writes = map[string][]byte{}; len(from) > 0; {
		n, ok := number()
		if !ok || n > uint64(len(from)) {
			return nil, false
		}
		key := string(take(n))
		n, ok = number()
		if !ok || n > uint64(len(from))+1 {
			return nil, false
		}
		if writes[key] = nil; n > 0 {
			writes[key] = take(n - 1)
		}
	}
	return writes, true
}

func (s *spill) close() error {
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.file.Name(), err)
	}
	return nil
}
