package rule

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// everything is a state with one of each kind.
type everything struct {
	U uint64
	I int64
	F float64
	Y byte
	B bool
	X []byte
	T string
	L []uint64
}

func (e *everything) save(w *StateWriter) {
	w.Uint(e.U)
	w.Int(e.I)
	w.Float(e.F)
	w.Byte(e.Y)
	w.Bool(e.B)
	w.Bytes(e.X)
	w.Text(e.T)
	w.Count(len(e.L))
	for _, v := range e.L {
		w.Uint(v)
	}
}

func (e *everything) load(r *StateReader) {
	*e = everything{U: r.Uint(), I: r.Int(), F: r.Float(), Y: r.Byte(), B: r.Bool(), X: r.Bytes(), T: r.Text()}
	e.L = make([]uint64, r.Count(8))
	for i := range e.L {
		e.L[i] = r.Uint()
	}
}

func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := everything{
			U: rapid.Uint64().Draw(t, "u"), I: rapid.Int64().Draw(t, "i"), F: rapid.Float64().Draw(t, "f"), Y: rapid.Byte().Draw(t, "y"),
			B: rapid.Bool().Draw(t, "b"), X: rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "x"), T: rapid.String().Draw(t, "t"),
			L: rapid.SliceOfN(rapid.Uint64(), 1, 100).Draw(t, "l"),
		}
		var w StateWriter
		want.save(&w)
		var got everything
		r := NewStateReader(w.bytes)
		got.load(r)
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		// Cut short anywhere it is an error, and so is a byte too many.
		cut := NewStateReader(w.bytes[:rapid.IntRange(0, len(w.bytes)-1).Draw(t, "cut")])
		got.load(cut)
		if cut.end() == nil {
			t.Error("a state that was cut short is read")
		}
		long := NewStateReader(append(w.bytes, 0))
		got.load(long)
		if long.Err() != nil || long.end() == nil {
			t.Error("a byte too many is not noticed")
		}
	})
}

func TestStateLayout(t *testing.T) {
	var w StateWriter
	w.Uint(1)
	w.Int(-2)
	w.Float(1)
	w.Byte(7)
	w.Bool(true)
	w.Text("hi")
	want := "\x01\x00\x00\x00\x00\x00\x00\x00" + "\xfe\xff\xff\xff\xff\xff\xff\xff" + "\x00\x00\x00\x00\x00\x00\xf0\x3f" + "\x07" + "\x01" + "\x02\x00\x00\x00hi"
	if diff := cmp.Diff(want, string(w.bytes)); diff != "" {
		t.Errorf("the layout has changed, states of modules in use cannot be read: %s", diff)
	}
}

func TestStateReaderErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		state string
		read  func(r *StateReader)
		want  string
	}{
		"empty":               {"", func(r *StateReader) { r.Uint() }, "ends too early"},
		"truth":               {"\x02", func(r *StateReader) { r.Bool() }, "a truth value of 2"},
		"a count of too many": {"\xff\xff\xff\xff12345678", func(r *StateReader) { r.Count(8) }, "4294967295 elements"},
		"text that is longer": {"\x05\x00\x00\x00abc", func(r *StateReader) { r.Text() }, "5 elements"},
		"the first one stays": {"\x02", func(r *StateReader) { r.Bool(); r.Uint(); r.Fail("later") }, "a truth value of 2"},
		"nothing after it":    {"\x0212345678", func(r *StateReader) { r.Bool(); r.Uint() }, "a truth value of 2"},
	} {
		r := NewStateReader([]byte(tt.state))
		tt.read(r)
		if r.Err() == nil || !strings.Contains(r.Err().Error(), tt.want) || r.Uint() != 0 || r.Text() != "" || r.Bool() {
			t.Errorf("%s: got %v, want %q and zeros", name, r.Err(), tt.want)
		}
	}
}

// keeper remembers as much as it is told to.
type keeper struct {
	state []byte
	info  StateInfo
	err   error
}

func (*keeper) Eval(Window, *Verdicts) error { return nil }
func (k *keeper) State() StateInfo           { return k.info }
func (k *keeper) Snapshot(w *StateWriter)    { w.Bytes(k.state) }
func (k *keeper) Restore(r *StateReader) error {
	k.state = r.Bytes()
	return k.err
}

// stateless is a rule that remembers nothing.
type stateless struct{}

func (*stateless) Eval(Window, *Verdicts) error { return nil }

func TestSessionState(t *testing.T) {
	none, err := abi.EncodeParams(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	session := func(r Rule) *Session {
		s, err := NewSession(r, none)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	state, err := session(&keeper{state: []byte("what was")}).Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	restored := &keeper{}
	if err := session(restored).Restore(state); err != nil || string(restored.state) != "what was" {
		t.Errorf("got %q, %v", restored.state, err)
	}
	if err := session(&keeper{}).Restore(append(state, 0)); err == nil {
		t.Error("a byte too many is not noticed")
	}
	if err := session(&keeper{err: errors.New("not mine")}).Restore(state); err == nil || err.Error() != "not mine" {
		t.Errorf("got %v", err)
	}
	for _, k := range []*keeper{{state: make([]byte, 100), info: StateInfo{MaxBytes: 103}}, {state: make([]byte, abi.MaxStateBytes-3)}} {
		if got, err := session(k).Snapshot(); err == nil {
			t.Errorf("a state of %d bytes is accepted", len(got))
		}
	}
	if _, err := session(&keeper{state: make([]byte, 100), info: StateInfo{MaxBytes: 104}}).Snapshot(); err != nil {
		t.Error(err)
	}
	without := session(&stateless{})
	if got, err := without.Snapshot(); got != nil || err != nil {
		t.Errorf("a rule without state: got %q, %v", got, err)
	}
	if err := without.Restore(state); !errors.Is(err, errStateless) {
		t.Errorf("a rule without state is restored: %v", err)
	}
}

func TestStateInManifest(t *testing.T) {
	m, err := Manifest(&keeper{info: StateInfo{Version: 3, MaxBytes: 5000}})
	if err != nil || m.State != (abi.ManifestState{Version: 3, MaxBytes: 5000}) {
		t.Errorf("got %+v, %v", m.State, err)
	}
	for _, info := range []StateInfo{{}, {Version: -1}, {Version: 1, MaxBytes: -1}, {Version: 1, MaxBytes: 2 << 20}} {
		if _, err := Manifest(&keeper{info: info}); err == nil {
			t.Errorf("%+v is accepted", info)
		}
	}
}

func TestMemoryForgets(t *testing.T) {
	m := Memory[int]{Keep: 10 * time.Minute}
	var c clock
	for k := range 10_000 { // a new instance each, besides one that stays
		w := c.next(true)
		if v, found := m.At(w, Whole()); found != (k > 0) || *v != k {
			t.Fatalf("evaluation %d: got %d, %v", k, *v, found)
		} else {
			*v++
		}
		m.At(w, instance(time.Duration(k).String()))
		if m.Len() > 60 { // 10 minutes and a quarter, of four a minute
			t.Fatalf("%d instances are remembered", m.Len())
		}
	}
	if _, found := m.At(c.next(true), instance(time.Duration(9_961).String())); !found {
		t.Error("what was seen ten minutes ago is forgotten")
	}
	// An engine that stood still for a day forgets nothing.
	var restored Memory[int]
	load := func(r *StateReader, v *int) { *v = int(r.Int()) }
	if err := restored.Load(NewStateReader(saved(t, func(w *StateWriter) { m.Save(w, saveInt) })), load); err != nil {
		t.Fatal(err)
	}
	before := restored.Len()
	c.w.Time += 24 * time.Hour.Milliseconds()
	if v, found := restored.At(c.next(true), Whole()); !found || *v != 10_000 || restored.Len() != before {
		t.Errorf("got %v, %v, %d of %d instances", *v, found, restored.Len(), before)
	}
}

func saveInt(w *StateWriter, v *int) { w.Int(int64(*v)) }

// Against a Go map, with restarts and everything asked for at least every hour.
func TestMemoryIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, model := &Memory[int]{}, map[uint64]int{}
		var c clock
		for range rapid.IntRange(1, 60).Draw(t, "evaluations") {
			w := c.next(rapid.Bool().Draw(t, "complete"))
			for range rapid.IntRange(0, 20).Draw(t, "asks") {
				i := Instance{id: rapid.Uint64Range(0, 300).Draw(t, "id") << rapid.IntRange(0, 50).Draw(t, "shift")}
				v, found := m.At(w, i)
				want, known := model[i.id]
				if *v != want || found != known {
					t.Fatalf("instance %d: got %d, %v, want %d, %v", i.id, *v, found, want, known)
				}
				*v++
				model[i.id]++
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") > 0 {
				continue
			}
			var w1, w2 StateWriter
			m.Save(&w1, saveInt)
			m = &Memory[int]{}
			if err := m.Load(NewStateReader(w1.bytes), func(r *StateReader, v *int) { *v = int(r.Int()) }); err != nil {
				t.Fatal(err)
			}
			if m.Save(&w2, saveInt); !bytes.Equal(w1.bytes, w2.bytes) {
				t.Fatal("saved again it differs")
			}
		}
		if m.Len() != len(model) {
			t.Fatalf("got %d instances, want %d", m.Len(), len(model))
		}
	})
}

func TestMemoryTwice(t *testing.T) {
	var w StateWriter
	w.Bool(true)
	w.Count(2)
	for range 2 {
		w.Uint(5)
		w.Int(1)
	}
	var m Memory[int]
	err := m.Load(NewStateReader(w.bytes), func(r *StateReader, v *int) { *v = int(r.Int()) })
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

// No bytes make a reader panic or the helpers hold what they would not save.
func FuzzStateReader(f *testing.F) {
	var c clock
	w := c.next(true)
	h, m, e := Hysteresis{}, MofN{M: 2, N: 5}, EWMA{HalfLife: time.Minute}
	for _, name := range []string{"a", "b"} {
		h.Judge(w, instance(name), true, false)
		m.Judge(w, instance(name), true)
		e.Add(w, instance(name), 5)
	}
	full := everything{U: 1, X: []byte("x"), T: "text", L: []uint64{1, 2}}
	for _, save := range []func(*StateWriter){h.Save, m.Save, e.Save, full.save} {
		f.Add(saved(f, save))
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		if len(state) > 1<<16 {
			return
		}
		new(everything).load(NewStateReader(state))
		h, m, e := Hysteresis{}, MofN{M: 2, N: 5}, EWMA{HalfLife: time.Minute}
		var c clock
		for _, helper := range []struct {
			load func(*StateReader) error
			save func(*StateWriter)
			use  func(Window) float64
		}{
			{h.Load, h.Save, func(w Window) float64 { return float64(h.Judge(w, Whole(), false, false)) }},
			{m.Load, m.Save, func(w Window) float64 { return float64(m.Judge(w, Whole(), true)) }},
			{e.Load, e.Save, func(w Window) float64 { return e.Add(w, Whole(), 1).Mean }},
		} {
			r := NewStateReader(state)
			if helper.load(r) != nil || r.end() != nil {
				continue
			}
			if again := saved(t, helper.save); !bytes.Equal(again, state) {
				t.Errorf("read %x, saved %x", state, again)
			}
			if v := helper.use(c.next(true)); math.IsNaN(v) {
				t.Error("a hostile state yields NaN")
			}
		}
	})
}
