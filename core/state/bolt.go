package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	version  = 1
	lockWait = 2 * time.Second // a predecessor that is just ending gets this long to let go
)

var (
	metaBucket = []byte("meta")
	dataBucket = []byte("data")
	versionKey = []byte("version")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// bolt is a [Store] in one file. Each value carries a checksum, because bbolt has none for its data pages.
type bolt struct {
	db     *bbolt.DB
	notice error

	// turn is held by whoever writes. Commits that come meanwhile queue up and are written by the next who gets it:
	// a commit alone costs one fsync and no waiting, many at once share one.
	turn sync.Mutex

	mu struct {
		sync.Mutex
		queue  []*commit
		closed bool
	}
}

// commit is what one caller wants written. Outcome and done are guarded by bolt.turn.
type commit struct {
	writes map[string][]byte
	err    error
	done   bool
}

// Open opens the store in the file at path and makes it, and its folder, where they are missing: readable by this
// user only. A file that cannot be read is set aside under a dated name and the store begins empty; [Store.Notice]
// says so.
func Open(path string) (Store, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the state: %w", err)
	}
	db, err := open(path)
	if err == nil {
		return &bolt{db: db}, nil
	}
	damaged := new(damage)
	if !errors.As(err, &damaged) {
		return nil, err
	}
	aside, asideErr := setAside(path)
	if asideErr != nil {
		return nil, fmt.Errorf("set damaged state file aside: %w (it is damaged: %w)", asideErr, damaged.cause)
	}
	if db, err = open(path); err != nil {
		return nil, err
	}
	return &bolt{db: db, notice: &DamagedError{Path: path, Aside: aside, Cause: damaged.cause}}, nil
}

// damage is an error that no repetition heals.
type damage struct{ cause error }

func (d *damage) Error() string { return "damaged: " + d.cause.Error() }
func (d *damage) Unwrap() error { return d.cause }

// open opens the file and reads all of it once, so that damage shows now and not in the middle of an incident.
func open(path string) (*bbolt.DB, error) {
	_, statErr := os.Stat(path)
	var db *bbolt.DB
	err := guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: lockWait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 16 << 20, NoStatistics: true,
		})
		return err
	})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: %w: stop it first, or give this one its own data_dir", path, ErrInUse)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("open state: %w: it must be readable and writable by the user that tocsin runs as", err)
	case isDiskError(err):
		return nil, fmt.Errorf("open state %s: %w", path, err)
	case err != nil:
		return nil, &damage{err}
	}
	if err := guard(func() error { return verify(db, path) }); err != nil {
		closeErr := guard(db.Close)
		if errors.Is(err, ErrNewer) {
			return nil, errors.Join(err, closeErr)
		}
		return nil, &damage{err}
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare state file %s: %w", path, err), db.Close())
	}
	if errors.Is(statErr, os.ErrNotExist) {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, errors.Join(fmt.Errorf("make state file %s durable: %w", path, err), db.Close())
		}
	}
	return db, nil
}

// isDiskError tells that the operating system refused, so that nothing is known about the content.
func isDiskError(err error) bool {
	var pathErr *os.PathError
	var errno syscall.Errno
	return errors.As(err, &pathErr) || errors.As(err, &errno)
}

// guard turns the panics and faults by which bbolt reports damaged pages into errors.
func guard(f func() error) (err error) {
	old := debug.SetPanicOnFault(true) // a truncated file faults when its missing pages are read
	defer debug.SetPanicOnFault(old)
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("reading the state file failed: %v", cause)
		}
	}()
	return f()
}

// verify reads every record once.
func verify(db *bbolt.DB, path string) error {
	return db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("the file has %d bytes of %d", info.Size(), tx.Size())
		}
		if meta := tx.Bucket(metaBucket); meta != nil {
			found, err := strconv.Atoi(string(meta.Get(versionKey)))
			if err != nil {
				return fmt.Errorf("read version: %w", err)
			}
			if found > version {
				return fmt.Errorf("%s: %w: it has format %d, this release knows %d", path, ErrNewer, found, version)
			}
		}
		data := tx.Bucket(dataBucket)
		if data == nil {
			return nil
		}
		var last []byte
		cursor := data.Cursor()
		for key, sealed := cursor.First(); key != nil; key, sealed = cursor.Next() {
			if last != nil && bytes.Compare(last, key) >= 0 { // would also walk in circles
				return fmt.Errorf("key %q is out of order", key)
			}
			last = key
			if _, err := unseal(key, sealed); err != nil {
				return err
			}
		}
		return nil
	})
}

// prepare makes the buckets of a new file.
func prepare(db *bbolt.DB) error {
	ready := false
	err := db.View(func(tx *bbolt.Tx) error {
		ready = tx.Bucket(metaBucket) != nil && tx.Bucket(dataBucket) != nil
		return nil
	})
	if ready || err != nil {
		return err
	}
	return db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucketIfNotExists(dataBucket); err != nil {
			return err
		}
		return meta.Put(versionKey, []byte(strconv.Itoa(version)))
	})
}

// setAside renames a damaged file, for whoever may still want to look at it.
func setAside(path string) (string, error) {
	base := path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	aside := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
			break
		}
		aside = base + "-" + strconv.Itoa(n)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	return aside, syncDir(filepath.Dir(path))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (b *bolt) Notice() error { return b.notice }

// Commit implements [Store].
func (b *bolt) Commit(writes map[string][]byte) error {
	if err := check(writes); err != nil {
		return err
	}
	c := &commit{writes: writes}
	b.mu.Lock()
	if b.mu.closed {
		b.mu.Unlock()
		return ErrClosed
	}
	b.mu.queue = append(b.mu.queue, c)
	b.mu.Unlock()

	b.turn.Lock()
	defer b.turn.Unlock()
	if !c.done {
		b.flush()
	}
	return c.err
}

// flush writes everything that is queued. The turn is held.
func (b *bolt) flush() {
	b.mu.Lock()
	batch := b.mu.queue
	b.mu.queue = nil
	b.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	err := guard(func() error { return b.write(batch) })
	if err != nil {
		err = fmt.Errorf("commit to %s: %w", b.db.Path(), err)
	}
	for _, c := range batch {
		c.err, c.done = err, true
	}
}

// write makes a batch durable in one transaction, in the order in which it was asked for.
func (b *bolt) write(batch []*commit) error {
	return b.db.Update(func(tx *bbolt.Tx) error {
		data := tx.Bucket(dataBucket)
		for _, c := range batch {
			for key, value := range c.writes {
				var err error
				if value == nil {
					err = data.Delete([]byte(key))
				} else {
					err = data.Put([]byte(key), seal(key, value))
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Load implements [Store].
func (b *bolt) Load(prefix string, visit func(key string, value []byte) error) error {
	b.mu.Lock()
	closed := b.mu.closed
	b.mu.Unlock()
	if closed {
		return ErrClosed
	}
	var stopped error // what visit said goes to the caller as it is
	err := guard(func() error {
		return b.db.View(func(tx *bbolt.Tx) error {
			cursor := tx.Bucket(dataBucket).Cursor()
			for key, sealed := cursor.Seek([]byte(prefix)); key != nil && bytes.HasPrefix(key, []byte(prefix)); key, sealed = cursor.Next() {
				value, err := unseal(key, sealed)
				if err != nil {
					return err
				}
				if stopped = visit(string(key), value); stopped != nil {
					return nil
				}
			}
			return nil
		})
	})
	if stopped != nil {
		return stopped
	}
	if err != nil {
		return fmt.Errorf("load %q from %s: %w", prefix, b.db.Path(), err)
	}
	return nil
}

// Close implements [Store].
func (b *bolt) Close() error {
	b.mu.Lock()
	closed := b.mu.closed
	b.mu.closed = true
	b.mu.Unlock()
	if closed {
		return nil
	}
	b.turn.Lock()
	defer b.turn.Unlock()
	b.flush() // of those who queued before and did not get their turn yet
	return b.db.Close()
}

// seal puts a checksum over key and value in front of the value.
func seal(key string, value []byte) []byte {
	sealed := make([]byte, 4, 4+len(value))
	binary.LittleEndian.PutUint32(sealed, sum([]byte(key), value))
	return append(sealed, value...)
}

// unseal checks and strips it.
func unseal(key, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, fmt.Errorf("record %q is cut short", key)
	}
	if binary.LittleEndian.Uint32(sealed) != sum(key, sealed[4:]) {
		return nil, fmt.Errorf("record %q has a wrong checksum", key)
	}
	return sealed[4:], nil
}

func sum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}
