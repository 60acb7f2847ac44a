package rule

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func (b *bench) apply(definitions ...Definition) {
	b.t.Helper()
	preview := fires(b.Preview(definitions, b.store.All()))
	if err := b.Apply(definitions); err != nil {
		b.t.Fatal(err)
	}
	if diff := cmp.Diff(preview, fires(b.store.All())); diff != "" {
		b.t.Errorf("what fires afterwards is not what was planned (-plan +got):\n%s", diff)
	}
	synctest.Wait()
}

func fires(alerts []alert.Alert) (all []string) {
	for _, a := range alerts {
		if a.State == alert.Firing {
			all = append(all, a.Fingerprint.String()+" "+a.Labels.String())
		}
	}
	return all
}

// hot says that one endpoint is in trouble.
func hot() *script { return says(complete(verdict(abi.Active, "/pay", 0.5))) }

// firedAfter is how long an alert was pending.
func (b *bench) firedAfter(rule string) time.Duration {
	b.t.Helper()
	for _, a := range b.store.OfRule(rule) {
		if a.State == alert.Firing {
			return a.FiredAt.Sub(a.ActiveAt)
		}
	}
	b.t.Fatalf("nothing of %s fires", rule)
	return 0
}

func TestWhatCountsGoesOnWhereTheProgramIsTheSame(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after func(d Definition) Definition
		want  time.Duration
	}{
		{"unchanged", func(d Definition) Definition { return d }, 4 * interval},
		{"another source in its list", func(d Definition) Definition { d.Sources = nil; d.Every = interval; return d }, 4 * interval},
		{"another annotation", func(d Definition) Definition { d.Annotations = map[string]string{"summary": "x"}; return d }, 4 * interval},
		{"a shorter for that is over", func(d Definition) Definition { d.For = 2 * interval; return d }, 3 * interval},
		{"a longer for", func(d Definition) Definition { d.For = 6 * interval; return d }, 6 * interval},
		{"another program", func(d Definition) Definition { d.Program = hot(); return d }, 5 * interval},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := define("HighErrors", hot())
				d.For = 4 * interval
				b := start(t, newDisk(), 1, d)
				defer b.stop()
				time.Sleep(time.Until(time.Now().Truncate(interval).Add(interval))) // rounds at multiples of the interval
				b.rounds(3, interval, "http.gateway")
				b.apply(tt.after(d))
				for range 20 {
					b.rounds(1, interval, "http.gateway")
				}
				if got := b.firedAfter("HighErrors"); got != tt.want {
					t.Errorf("fired after %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestUnchangedRuleKeepsItsProgramAndItsPlaceInTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hot()
		d := define("HighErrors", p)
		d.Sources = []string{"http.odoo", "http.gateway"} // in any order
		b := start(t, newDisk(), 1, d)
		b.rounds(1, interval, "http.gateway") // half of what it waits for
		again := d
		again.Sources = []string{"http.gateway", "http.odoo"}
		b.apply(again, define("Other", hot()))
		b.rounds(1, time.Second, "http.odoo")
		if got := p.evaluations(); got != 1 {
			t.Errorf("evaluated %d times after both sources had a round, want once", got)
		}
		if p.closed != 0 {
			t.Error("the program of an unchanged rule was closed")
		}
		b.stop()
		if p.closed != 1 {
			t.Errorf("the program was closed %d times by the stop, want once", p.closed)
		}
	})
}

func TestFiringStaysFiringUntilTheChangedRuleHasEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := define("HighErrors", hot())
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})

		next := says(Evaluation{Empty: true, Complete: true}) // its windows are still empty
		changed := d
		changed.Program, changed.For = next, time.Hour
		b.apply(changed)
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing?"})
		next.say(complete())
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "resolved"})
		b.wantTold("transition inactive>firing", "blind", "sighted", "transition firing>resolved")
		if old := d.Program.(*script); old.closed != 1 || old.evaluations() != 1 {
			t.Errorf("the former program was closed %d times and evaluated %d times, want once each", old.closed, old.evaluations())
		}
	})
}

func TestRemovedRuleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fires, waits, stays := define("Fires", hot()), define("Waits", hot()), define("Stays", hot())
		waits.For = time.Hour
		b := start(t, newDisk(), 1, fires, waits, stays)
		defer b.stop()
		b.rounds(2, interval, "http.gateway")
		b.apply(stays)
		b.wantStates("Fires", map[string]string{"/pay": "resolved"})
		b.wantStates("Waits", map[string]string{})
		b.wantStates("Stays", map[string]string{"/pay": "firing"})
		if a := b.store.OfRule("Fires")[0]; a.Reason != alert.RuleRemoved {
			t.Errorf("reason %q, want %q", a.Reason, alert.RuleRemoved)
		}
		b.rounds(3, interval, "http.gateway")
		for _, d := range []Definition{fires, waits} {
			if p := d.Program.(*script); p.closed != 1 || p.evaluations() != 2 {
				t.Errorf("%s: closed %d times, want once; evaluated %d times, want 2", d.Name, p.closed, p.evaluations())
			}
		}
		if got := len(b.Status()); got != 1 {
			t.Errorf("%d rules have a status, want the one that is left", got)
		}
	})
}

func TestChangedAttributesCountAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := define("HighErrors", hot())
		d.Labels = map[string]string{"severity": "warning"}
		d.Annotations = map[string]string{"summary": "before"}
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		b.rounds(1, interval, "http.gateway")

		changed := d
		changed.Labels = map[string]string{"severity": "critical", "team": "web"}
		changed.Annotations = map[string]string{"summary": "{{ $labels.team }} after {{ $value }}"}
		before := b.store.OfRule("HighErrors")[0]
		b.apply(changed)
		after := b.store.OfRule("HighErrors")[0]
		if want := `{alertname="HighErrors",endpoint="/pay",severity="critical",team="web"}`; after.Labels.String() != want {
			t.Errorf("labels %s, want %s before the next evaluation", after.Labels, want)
		}
		if after.Revision != before.Revision+1 || !after.FiredAt.Equal(before.FiredAt) {
			t.Errorf("revision %d, want %d; fired at %s, want %s", after.Revision, before.Revision+1, after.FiredAt, before.FiredAt)
		}
		b.rounds(1, interval, "http.gateway")
		settled := b.store.OfRule("HighErrors")[0]
		if settled.Revision != after.Revision {
			t.Errorf("the evaluation revised it once more")
		}
		if got := settled.Annotations["summary"]; got != "web after 0.5" {
			t.Errorf("summary %q was not written anew with the next evidence", got)
		}
		b.wantTold("transition inactive>firing", "revised")

		template := changed
		template.Labels = map[string]string{"severity": "{{ if gt $value 0.4 }}critical{{ else }}warning{{ end }}"}
		b.apply(template)
		if got := b.store.OfRule("HighErrors")[0]; !got.Labels.Equal(settled.Labels) {
			t.Errorf("labels %s, want those of before until there is evidence for the template", got.Labels)
		}
		b.rounds(1, interval, "http.gateway")
		if got := b.store.OfRule("HighErrors")[0]; got.Labels.Get("team") != "" || got.Labels.Get("severity") != "critical" {
			t.Errorf("labels %s, want those of the template", got.Labels)
		}
	})
}

func TestARuleThatIsBeingEvaluatedIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := says(complete())
		slow.set(func(time.Time) (Evaluation, error) {
			time.Sleep(4 * time.Second)
			return complete(verdict(abi.Active, "/pay", 1)), nil
		})
		changes, goes := define("Changes", slow), define("Goes", slow)
		b := start(t, newDisk(), 1, changes, goes)
		defer b.stop()
		b.rounds(1, interval, "http.gateway") // one is being evaluated, the other waits
		began := time.Now()
		next := define("Changes", hot())
		if err := b.Apply([]Definition{next}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if took := time.Since(began); took < 3*time.Second || took > 8*time.Second {
			t.Errorf("took %s, want the rest of the evaluations", took)
		}
		b.wantStates("Goes", map[string]string{"/pay": "resolved"})
		b.rounds(2, interval, "http.gateway")
		if slow.most != 1 || slow.closed != 2 {
			t.Errorf("%d evaluations at once, want 1; closed %d times, want once for each rule", slow.most, slow.closed)
		}
		if got := next.Program.(*script).evaluations(); got != 2 {
			t.Errorf("the new program was evaluated %d times, want at each of the two rounds", got)
		}
		b.wantStates("Changes", map[string]string{"/pay": "firing"})
	})
}

func TestRefusedRulesChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := define("HighErrors", hot())
		b := start(t, newDisk(), 1, d)
		p := hot()
		for _, wrong := range [][]Definition{{define("A", p), define("A", p)}, {define("", p)}, {define("A", nil)}} {
			if err := b.Apply(wrong); err == nil {
				t.Errorf("%v was accepted", wrong)
			}
		}
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
		b.stop()
		if err := b.Apply([]Definition{define("A", p)}); err == nil {
			t.Error("rules were changed after the stop")
		}
		if p.closed != 0 {
			t.Error("a program was closed that is still the caller's")
		}
	})
}

// Whatever changes at whatever time: an instance whose rule stays is never lost or begun anew, each program is evaluated
// by one evaluation at a time, and closed once.
func TestAnyChanges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anyChanges(t, rt) })
		})
	})
}

func anyChanges(t *testing.T, rt *rapid.T) {
	var programs []*script
	program := func() *script {
		p := hot()
		takes := time.Duration(rapid.IntRange(0, 20).Draw(rt, "takes")) * time.Second
		p.set(func(time.Time) (Evaluation, error) {
			time.Sleep(takes)
			return complete(verdict(abi.Active, "/pay", 1)), nil
		})
		programs = append(programs, p)
		return p
	}
	stays := define("Stays", program())
	b := start(t, newDisk(), 1, stays)
	var others sync.WaitGroup
	over := make(chan struct{})
	others.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(interval):
				b.Round("http.gateway", time.Now())
			}
		}
	})
	optional := map[string]Definition{}
	time.Sleep(time.Minute)
	fired := b.store.OfRule("Stays")[0].FiredAt
	for range rapid.IntRange(1, 8).Draw(rt, "applies") {
		time.Sleep(time.Duration(rapid.IntRange(0, 40).Draw(rt, "pause")) * time.Second)
		if rapid.Bool().Draw(rt, "change the one that stays") {
			stays.Annotations = map[string]string{"a": fmt.Sprint(rapid.IntRange(0, 2).Draw(rt, "annotation"))}
			if rapid.Bool().Draw(rt, "with another program") {
				stays.Program = program()
			}
		}
		definitions := []Definition{stays}
		for _, name := range []string{"A", "B"} {
			wanted := rapid.Bool().Draw(rt, name)
			if _, there := optional[name]; wanted && !there {
				optional[name] = define(name, program())
			} else if !wanted {
				delete(optional, name)
			}
			if d, there := optional[name]; there {
				definitions = append(definitions, d)
			}
		}
		if err := b.Apply(definitions); err != nil {
			rt.Error(err)
		}
		for _, name := range []string{"A", "B"} {
			if _, there := optional[name]; !there && b.states(name)["/pay"] == "firing" {
				rt.Errorf("%s is gone and still fires", name)
			}
		}
	}
	time.Sleep(5 * time.Minute)
	close(over)
	others.Wait()
	if got := b.store.OfRule("Stays"); len(got) != 1 || got[0].State != alert.Firing || !got[0].FiredAt.Equal(fired) {
		rt.Errorf("the alert of the rule that stays: %v, want it firing since %s", got, fired)
	}
	b.stop()
	for i, p := range programs {
		if diff := cmp.Diff([]int{1, 1}, []int{max(p.most, 1), p.closed}); diff != "" {
			rt.Errorf("program %d: evaluations at once, times closed (-want +got):\n%s", i, diff)
		}
	}
}

// What held again when its rule was removed does not go on as pending when its end is settled: nobody would ever end it.
func TestRemovedWhileItHoldsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hot()
		d := define("HighErrors", p)
		d.For = time.Minute
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		b.rounds(5, interval, "http.gateway")
		p.say(complete())
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "resolved"})
		p.say(complete(verdict(abi.Active, "/pay", 0.5)))
		b.rounds(1, interval, "http.gateway")
		b.apply()
		if err := b.store.Forget(b.store.OfRule("HighErrors")[0].Fingerprint); err != nil {
			t.Fatal(err)
		}
		b.wantStates("HighErrors", map[string]string{})
	})
}
