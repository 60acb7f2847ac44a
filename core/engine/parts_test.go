package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/alert"
	corerule "github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

const (
	payOverride  = "override \"Slow\" {\n  match = [\"id='pay'\"]\n  params { value = 5 }\n}\n"
	critOverride = "override \"Slow\" {\n  match = [\"id=~'pay|api'\"]\n  params { value = 3 }\n}\n"
)

func TestOverride(t *testing.T) {
	base := preamble + plain + above("Slow", "")
	inBubble(t, base+payOverride+critOverride, func(b *bubble) {
		b.page("a:80", `x{id="pay"}`, 4, `x{id="api"}`, 4, `x{id="web"}`, 1)
		b.page("b:80", `x{id="pay"}`, 6, `x{id="api"}`, 2)
		b.until(10 * time.Minute)
		b.sent(`5s webhook.ops: Slow{id="api"} firing, Slow{id="pay"} firing, Slow{id="web"} firing`)

		// An override that goes and one that changes end nothing that still holds, and nothing is told twice.
		b.restart(base + payOverride)
		b.until(20 * time.Minute)
		b.sent(`10m5s webhook.ops: Slow{id="api"} firing, Slow{id="api"} firing, Slow{id="pay"} firing, Slow{id="web"} firing`)
		b.restart(base)
		b.until(30 * time.Minute)
		b.sent(`20m5s webhook.ops: Slow{id="api"} firing, Slow{id="api"} firing, Slow{id="pay"} firing, Slow{id="pay"} firing, Slow{id="web"} firing`)
		b.page("a:80", `x{id="pay"}`, 0, `x{id="api"}`, 0, `x{id="web"}`, 0)
		b.page("b:80")
		b.until(time.Hour)
		b.sent(`30m5s webhook.ops: Slow{id="api"} resolved, Slow{id="api"} resolved, Slow{id="pay"} resolved, Slow{id="pay"} resolved, Slow{id="web"} resolved`)
	})
}

// TestOverrideOfNothing: an override whose series do not exist does not make the rule blind.
func TestOverrideOfNothing(t *testing.T) {
	inBubble(t, preamble+plain+above("Slow", "")+payOverride, func(b *bubble) {
		b.page("a:80", `x{id="web"}`, 1)
		b.page("b:80")
		b.until(10 * time.Minute)
		b.page("a:80", `x{id="web"}`, 0)
		b.until(20 * time.Minute)
		b.page("a:80", `x{id="pay"}`, 6) // and then nothing is left for the rest
		b.until(30 * time.Minute)
		b.page("a:80", `x{id="pay"}`, 5)
		b.until(40 * time.Minute)
		b.sent(
			`5s webhook.ops: Slow{id="web"} firing`, `10m5s webhook.ops: Slow{id="web"} resolved`,
			`20m5s webhook.ops: Slow{id="pay"} firing`, `30m5s webhook.ops: Slow{id="pay"} resolved`,
		)
		b.journal([]alert.Kind{alert.KindBlind, alert.KindAmbiguous, alert.KindRuleFailed})
		b.page("a:80")
		b.until(50 * time.Minute)
		b.journal([]alert.Kind{alert.KindBlind, alert.KindAmbiguous, alert.KindRuleFailed}, "blind Slow: the rest: input series matches no series")
	})
}

// TestOverrideThroughAGroup: two parts speak of one instance. It is told once, and what is worse counts.
func TestOverrideThroughAGroup(t *testing.T) {
	grouped := `
rule "Slow" {
  module = "threshold"
  input "series" {
    select = "x"
    window = "1m"
  }
  params {
    value     = 0
    aggregate = "sum"
    by        = ["job"]
  }
}
`
	inBubble(t, preamble+plain+grouped+payOverride, func(b *bubble) {
		b.page("a:80", `x{id="pay"}`, 4, `x{id="web"}`, 1)
		b.page("b:80")
		b.until(10 * time.Minute)
		b.sent("5s webhook.ops: Slow firing") // though the part of pay is healthy
		b.journal([]alert.Kind{alert.KindAmbiguous, alert.KindRuleFailed},
			`ambiguous Slow: two verdicts about one instance: {job="web"} has series in override {id="pay"} and in the rest. `+
				"Let the overrides of a rule match by the labels that its instances have")
		b.page("a:80", `x{id="pay"}`, 4, `x{id="web"}`, 0)
		b.until(20 * time.Minute)
		b.sent("10m5s webhook.ops: Slow resolved")
	})
}

func TestMergedParameters(t *testing.T) {
	got, err := merged([]byte(`{"by":["a"],"value":1}`), []byte(`{"op":"max","value":null}`))
	if err != nil || string(got) != `{"by":["a"],"op":"max","value":null}` {
		t.Errorf("merged are %s, %v", got, err)
	}
}

// TestMergingKeepsEveryInstance draws what parts say: each instance is in the result once, with its gravest verdict.
func TestMergingKeepsEveryInstance(t *testing.T) {
	statuses := []abi.Status{abi.Healthy, abi.Unknown, abi.Active}
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]abi.Status{}
		m := merging{by: map[uint64][]int{}}
		for _, name := range []string{"first", "second", theRest} {
			var ev corerule.Evaluation
			for _, id := range []string{"a", "b", "c"} {
				if !rapid.Bool().Draw(t, "speaks") {
					continue
				}
				status := rapid.SampledFrom(statuses).Draw(t, "status")
				ev.Verdicts = append(ev.Verdicts, abi.Verdict{Labels: frame.NewLabels(frame.Label{Name: "id", Value: id}), Status: status})
				if known, ok := want[id]; !ok || weight(status) > weight(known) {
					want[id] = status
				}
			}
			m.add(name, &ev, true)
		}
		got := map[string]abi.Status{}
		for _, v := range m.Verdicts {
			got[v.Labels.Get("id")] = v.Status
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) != len(m.Verdicts) {
			t.Fatalf("%d verdicts (-want +got):\n%s", len(m.Verdicts), diff)
		}
	})
}
