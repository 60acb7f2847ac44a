package silence

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/state"
)

// A silence of the configuration waits for something to hide, survives crashes at every step, and once over stays over
// until it asks for something else or its block is gone.
func TestConfigured(t *testing.T) {
	disk := state.Memory()
	s := open(t, disk)
	c := Configured{"migration", "v1"}
	restart := func() {
		disk = disk.Crash()
		s = open(t, disk)
	}
	observe := func(hides bool, want ...Configured) {
		t.Helper()
		over, err := s.ObserveConfigured(map[Configured]bool{c: hides}, noon)
		if err != nil || !slices.Equal(over, want) {
			t.Errorf("ended %v (%v), want %v", over, err, want)
		}
		restart()
	}
	observe(false)
	observe(true)
	observe(true)
	if s.Over(c) {
		t.Error("over while it hides something")
	}
	observe(false, c)
	observe(true)
	if !s.Over(c) || s.Over(Configured{"migration", "v2"}) {
		t.Error("want v1 over, and v2 not")
	}
	c.Version = "v2"
	observe(true)
	observe(false, c)
	for _, names := range []map[string]bool{{"migration": true}, {}} {
		if err := s.KeepConfigured(names); err != nil {
			t.Fatal(err)
		}
		restart()
		if s.Over(c) != names["migration"] {
			t.Errorf("of the configured %v: over is %v", names, s.Over(c))
		}
	}
	disk.Fail(1)
	if _, err := s.ObserveConfigured(map[Configured]bool{c: true}, noon); !errors.Is(err, state.ErrInjected) {
		t.Errorf("got %v, want the error of storage", err)
	}
	observe(false) // what was not durable did not happen: it has not hidden anything
}

func TestDamagedProgressBeginsAnew(t *testing.T) {
	disk := state.Memory()
	if err := disk.Commit(map[string][]byte{configuredPrefix + "x": []byte("{")}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(disk)
	if err != nil || len(s.Damaged()) != 1 || s.Over(Configured{"x", ""}) {
		t.Errorf("open: %v, damaged %v", err, s.Damaged())
	}
	if over, err := s.ObserveConfigured(map[Configured]bool{{"x", "v"}: true}, noon.Add(time.Hour)); err != nil || over != nil {
		t.Errorf("observe: %v, %v", over, err)
	}
}
