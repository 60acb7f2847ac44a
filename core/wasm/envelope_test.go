package wasm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestEnvelope(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := envelope{
			scheme: rapid.Uint16().Draw(t, "scheme"), version: rapid.Uint32().Draw(t, "version"), sequence: rapid.Uint64().Draw(t, "sequence"),
			state: rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "state"),
		}
		copy(want.module[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "module"))
		copy(want.params[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "params"))
		encoded := want.encode()
		got, err := decodeEnvelope(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(envelope{})); diff != "" {
			t.Fatal(diff)
		}
		if err := got.fits(&want); err != nil {
			t.Fatal(err)
		}
		at, bit := rapid.IntRange(0, len(encoded)-1).Draw(t, "byte"), rapid.IntRange(0, 7).Draw(t, "bit")
		encoded[at] ^= 1 << bit
		if got, err := decodeEnvelope(encoded); err == nil {
			t.Fatalf("bit %d of byte %d makes no difference: %+v", bit, at, got)
		}
	})
}

// No bytes make the decoder panic, and whatever it accepts it would have written.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte{})
	f.Add((&envelope{scheme: 1, version: 1, sequence: 7, state: []byte("state")}).encode())
	f.Add((&envelope{}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEnvelope(b)
		if err != nil {
			return
		}
		again, err := decodeEnvelope(e.encode())
		if diff := cmp.Diff(e, again, cmp.AllowUnexported(envelope{}), cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}
