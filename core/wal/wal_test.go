package wal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// book is a state to be logged: the latest value of each name.
type book struct {
	log *Log

	mu     sync.Mutex
	values map[string]int // guarded by mu
}

func newBook() *book { return &book{values: make(map[string]int)} }

func (b *book) set(name string, value int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.values[name] = value
	b.log.Append([]byte(name + "=" + strconv.Itoa(value)))
}

func (b *book) snapshot(put func([]byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, value := range b.values {
		put([]byte(name + "=" + strconv.Itoa(value)))
	}
}

func (b *book) apply(record []byte) error {
	name, value, _ := strings.Cut(string(record), "=")
	n, err := strconv.Atoi(value)
	b.values[name] = n
	return err
}

// start opens a log on dir, replays it and begins to write.
func (b *book) start(t testing.TB, o Options) Replayed {
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	b.log = l
	replayed := l.Replay(b.apply)
	l.Start(b.snapshot)
	return replayed
}

func (b *book) stop(t testing.TB) {
	if err := b.log.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatWasWrittenIsThereAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBook()
		b.start(t, Options{Dir: dir})
		synctest.Wait()
		b.set("a", 1)
		b.set("b", 2)
		time.Sleep(time.Second)
		synctest.Wait()
		crashed := newBook() // reads what is on disk at this moment
		l, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		l.Replay(crashed.apply)
		if diff := cmp.Diff(b.values, crashed.values); diff != "" {
			t.Errorf("a second after they were appended: %s", diff)
		}
		b.set("a", 3)
		b.stop(t)

		again := newBook()
		if got := again.start(t, Options{Dir: dir}); got.Records != 3 || got.Torn+int64(got.Damaged+got.Refused) != 0 {
			t.Errorf("replayed %+v", got)
		}
		synctest.Wait()
		again.set("c", 4)
		again.stop(t)
		third := newBook()
		if got := third.start(t, Options{Dir: dir}); got.Records != 3 { // the state of two, and one more
			t.Errorf("replayed %+v", got)
		}
		third.stop(t)
		if diff := cmp.Diff(map[string]int{"a": 3, "b": 2, "c": 4}, third.values); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheLogIsBoundedByTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBook()
		b.start(t, Options{Dir: dir, MinBytes: 1 << 10})
		for n := range 100 {
			for i := range 50 {
				b.set("name"+strconv.Itoa(i), n)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			size := int64(0)
			for _, s := range segments(t, dir) {
				size += int64(len(content(t, s)))
			}
			if size > 8<<10 {
				t.Fatalf("after %d rounds the log has %d bytes", n, size)
			}
		}
		b.stop(t)
		again := newBook()
		again.start(t, Options{Dir: dir})
		again.stop(t)
		if diff := cmp.Diff(b.values, again.values); diff != "" {
			t.Error(diff)
		}
	})
}

// A crash may tear the log at any byte. What was written before is there, in order; nothing else is.
func TestTornAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "records")
		file := bytes.Clone(header)
		ends := []int{len(file)}
		for _, r := range records {
			file = appendRecord(file, r)
			ends = append(ends, len(file))
		}
		at := rapid.IntRange(0, len(file)).Draw(t, "torn at")
		file = file[:at]
		if slices.Contains(ends, at) { // some file systems extend a file before they fill it
			file = append(file, make([]byte, rapid.IntRange(0, 20).Draw(t, "zeros"))...)
		}
		n, _ := slices.BinarySearch(ends, at+1)
		want := records[:max(n-1, 0)]
		var got [][]byte
		good, torn, err := read(bytes.NewReader(file), int64(len(file)), func(r []byte) { got = append(got, bytes.Clone(r)) })
		if err != nil {
			t.Fatalf("torn at %d of %v: %v", at, ends, err)
		}
		if !slices.EqualFunc(want, got, bytes.Equal) {
			t.Fatalf("torn at %d of %v: got %v, want %v", at, ends, got, want)
		}
		if torn == (good == int64(len(file))) {
			t.Fatalf("torn at %d of %v: torn: %v, with %d of %d bytes good", at, ends, torn, good, len(file))
		}
	})
}

func TestADamagedSegmentIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBook()
		b.start(t, Options{Dir: dir})
		synctest.Wait()
		for i := range 100 {
			b.set("name"+strconv.Itoa(i), i)
		}
		b.stop(t)
		path := segments(t, dir)[0]
		damaged := content(t, path)
		damaged[len(damaged)/2] ^= 4
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		again := newBook()
		if got := again.start(t, Options{Dir: dir}); got.Damaged != 1 || got.Records < 45 || got.Records > 55 {
			t.Errorf("replayed %+v", got)
		}
		for name, value := range again.values {
			if want := b.values[name]; value != want {
				t.Errorf("%s is %d, want %d", name, value, want)
			}
		}
		again.stop(t)
		if aside := content(t, filepath.Join(dir, "damaged.aside")); !bytes.Equal(aside, damaged) {
			t.Errorf("%d bytes were put aside of %d", len(aside), len(damaged))
		}
		third := newBook()
		if got := third.start(t, Options{Dir: dir}); got.Damaged != 0 || len(third.values) != len(again.values) {
			t.Errorf("after the repair: %+v with %d values", got, len(third.values))
		}
		third.stop(t)
	})
}

// A disk that is full is waited for: the log is whole again without a restart.
func TestAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBook()
		b.start(t, Options{Dir: dir, MinBytes: 1000})
		b.set("a", 1)
		time.Sleep(time.Second)
		synctest.Wait()
		first := segments(t, dir)
		full := segmentPath(dir, 2)
		if err := os.Symlink("/dev/full", full); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			b.set("b", i)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := b.log.Status(); got.Failing == nil {
			t.Fatalf("on a full disk: %+v", got)
		}
		if got := segments(t, dir); !slices.Equal(got, first) {
			t.Errorf("on a full disk there are %v, want still %v", got, first)
		}
		b.set("c", 1)
		if got := b.log.Status(); got.Lost != 1 {
			t.Errorf("on a full disk: %+v", got)
		}
		time.Sleep(time.Minute) // the attempt removed the link: there is room again
		synctest.Wait()
		if got := b.log.Status(); got.Failing != nil || got.Lost != 1 {
			t.Errorf("with room again: %+v", got)
		}
		b.set("d", 1)
		b.stop(t)
		again := newBook()
		again.start(t, Options{Dir: dir})
		again.stop(t)
		if diff := cmp.Diff(b.values, again.values); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADiskThatIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBook()
		b.start(t, Options{Dir: dir, MaxPending: 100})
		synctest.Wait()
		for i := range 50 { // before anything of it is written
			b.set("name"+strconv.Itoa(i), i)
		}
		if got := b.log.Status().Lost; got < 40 {
			t.Errorf("%d records are lost", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b.set("last", 1)
		if got := b.log.Status(); got.Failing != nil || got.Lost > 50 {
			t.Errorf("afterwards: %+v", got)
		}
		b.stop(t)
		again := newBook()
		again.start(t, Options{Dir: dir})
		again.stop(t)
		if diff := cmp.Diff(b.values, again.values); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRecordsThatAreOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBook()
		b.start(t, Options{Dir: dir})
		synctest.Wait()
		b.log.Append([]byte("a=?"))
		b.set("b", 1)
		b.stop(t)
		again := newBook()
		if got := again.start(t, Options{Dir: dir}); got.Refused != 1 || got.Records != 2 || again.values["b"] != 1 {
			t.Errorf("replayed %+v", got)
		}
		again.stop(t)
	})
}

func TestADirectoryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(file, "log")}); err == nil {
		t.Error("a log was opened below a file")
	}
}

// FuzzRead reads segments of any bytes.
func FuzzRead(f *testing.F) {
	file := bytes.Clone(header)
	for i := range 3 {
		file = appendRecord(file, fmt.Append(nil, "record", i))
	}
	f.Add(file)
	f.Add(file[:len(file)-1])
	f.Add(append(file, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, file []byte) {
		total := int64(0)
		good, torn, err := read(bytes.NewReader(file), int64(len(file)), func(r []byte) { total += recordHead + int64(len(r)) })
		whole := good == int64(len(file))
		if good < total || good > int64(len(file)) {
			t.Errorf("%d bytes of %d are good, with records of %d", good, len(file), total)
		}
		if whole && torn || !whole && torn == (err != nil) {
			t.Errorf("%d bytes of %d are good, torn: %v: %v", good, len(file), torn, err)
		}
	})
}

func segments(t testing.TB, dir string) (paths []string) {
	all, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		paths = append(paths, s.path)
	}
	return paths
}

func content(t testing.TB, path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// BenchmarkAppend is what an appended byte costs, the disk included.
func BenchmarkAppend(b *testing.B) {
	state := newBook()
	state.start(b, Options{Dir: b.TempDir()})
	record := make([]byte, 16<<10)
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		state.log.Append(record)
	}
	if got := state.log.Status(); got.Failing != nil {
		b.Fatal(got.Failing)
	}
	state.stop(b)
}
