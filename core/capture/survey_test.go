package capture_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/capture"
)

func TestSurvey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	w := create(t, path)
	write(t, w, story())
	put(t, w.Close())
	w = create(t, path)
	put(t, w.Answer(noon.Add(time.Hour), capture.Answer{Target: gateway, Failure: "refused", Took: time.Second}))
	put(t, w.Close())
	content, err := os.ReadFile(path)
	put(t, err)
	got, err := capture.Survey(bytes.NewReader(append(content, 1, 2, 3)))
	put(t, err)
	if got.Damage == nil || got.Damage.Rest != 3 {
		t.Errorf("damage %v, want 3 bytes", got.Damage)
	}
	got.Damage = nil
	want := capture.Overview{
		From: noon, To: noon.Add(time.Hour + time.Second),
		Targets: []capture.Holding{
			{Target: gateway, Answers: 6, Failures: 2},
			{Target: capture.Target{Source: "snmp.switch", Address: "unix:/run/x"}, Answers: 1},
		},
		Gaps: []capture.Gap{
			{From: noon.Add(16 * time.Second), To: noon.Add(16 * time.Second), Lost: 3},
			{From: noon.Add(50 * time.Second), To: noon.Add(time.Hour)},
		},
		Found: story()[:1],
	}
	if diff := cmp.Diff(want, got, sameRecord); diff != "" {
		t.Errorf("survey (-want +got):\n%s", diff)
	}
}
