package rule

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// firing starts a manager whose rule has one instance that fires.
func firing(t *testing.T, change func(*Definition)) (*bench, *script) {
	t.Helper()
	p := says(complete(verdict(abi.Active, "/pay", 1)))
	d := define("HighErrors", p)
	if change != nil {
		change(&d)
	}
	b := start(t, newDisk(), 1, d)
	b.rounds(1, interval, "http.gateway")
	b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
	return b, p
}

// What is left out resolves only when everything that could have spoken did.
func TestMissingDataNeverResolves(t *testing.T) {
	for _, tt := range []struct {
		name      string
		ev        Evaluation
		err       error
		onMissing string
		want      string
	}{
		{name: "all targets answered", ev: complete(), want: "resolved"},
		{name: "a target did not answer", ev: Evaluation{Missing: "gw2 did not answer"}, want: "firing?"},
		{name: "an input matches nothing", ev: Evaluation{Complete: true, Empty: true}, want: "firing?"},
		{name: "not enough data", ev: Evaluation{Complete: true, NoVerdict: true}, want: "firing?"},
		{name: "the windows do not reach back far enough", ev: Evaluation{Complete: true, Young: "1m of 5m"}, want: "firing?"},
		{name: "nor is that missing data which could count as health", ev: Evaluation{Complete: true, Young: "1m of 5m"}, onMissing: MissingOK, want: "firing?"},
		{name: "the rule failed", err: errors.New("fuel exhausted (budget 200000000)"), want: "firing?"},
		{name: "the rule cannot tell", ev: complete(verdict(abi.Unknown, "/pay", 0)), want: "firing?"},
		{name: "evidence of health although a target is missing", ev: Evaluation{Verdicts: []abi.Verdict{verdict(abi.Healthy, "/pay", 0)}}, want: "resolved"},
		{name: "evidence of trouble although a target is missing", ev: Evaluation{Verdicts: []abi.Verdict{verdict(abi.Active, "/pay", 1)}}, want: "firing"},
		{name: "missing counts as health", ev: Evaluation{}, onMissing: MissingOK, want: "resolved"},
		{name: "missing counts as trouble", ev: Evaluation{}, onMissing: MissingFire, want: "firing"},
		{name: "the rule cannot tell without data, which count as health", ev: Evaluation{Verdicts: []abi.Verdict{verdict(abi.Unknown, "/pay", 0)}}, onMissing: MissingOK, want: "resolved"},
		{name: "the rule cannot tell without data, which count as trouble", ev: Evaluation{Verdicts: []abi.Verdict{verdict(abi.Unknown, "/pay", 0)}}, onMissing: MissingFire, want: "firing"},
		{name: "the rule cannot tell although no data are missing", ev: complete(verdict(abi.Unknown, "/pay", 0)), onMissing: MissingOK, want: "firing?"},
		{name: "on_missing does not excuse a broken rule", err: errors.New("trap"), onMissing: MissingOK, want: "firing?"},
		{name: "a rule that contradicts itself failed", ev: complete(verdict(abi.Healthy, "/pay", 0), verdict(abi.Active, "/pay", 1)), want: "firing?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, p := firing(t, func(d *Definition) { d.OnMissing = tt.onMissing })
				defer b.stop()
				p.set(func(time.Time) (Evaluation, error) { return tt.ev, tt.err })
				b.rounds(2, interval, "http.gateway")
				b.wantStates("HighErrors", map[string]string{"/pay": tt.want})
			})
		})
	}
}

// A rule whose windows fill after a start is not blind: it speaks of what it sees, and only what it leaves out is held.
func TestYoungIsNotBlind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, func(d *Definition) { d.OnMissing = MissingFire })
		defer b.stop()
		p.say(Evaluation{Complete: true, Young: "1m of 5m", Verdicts: []abi.Verdict{verdict(abi.Active, "/cart", 1)}})
		b.rounds(3, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing?", "/cart": "firing"})
		if s := b.Status()[0]; s.Health != HealthOK || s.Blind != "" {
			t.Errorf("health %s, blind %q", s.Health, s.Blind)
		}
		for _, a := range b.store.OfRule("HighErrors") {
			if a.Unknown && a.Reason != "1m of 5m" {
				t.Errorf("the alert says %q", a.Reason)
			}
		}
	})
}

func TestBlindnessIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, nil)
		defer b.stop()
		p.say(Evaluation{Missing: "gw2 did not answer"})
		b.rounds(3, interval, "http.gateway")
		if s := b.Status()[0]; s.Health != HealthUnknown || s.Blind != "gw2 did not answer" {
			t.Errorf("health %s, blind %q", s.Health, s.Blind)
		}
		if a := b.store.OfRule("HighErrors")[0]; a.Reason != "gw2 did not answer" {
			t.Errorf("the alert says %q", a.Reason)
		}
		p.say(complete(verdict(abi.Active, "/pay", 1)))
		b.rounds(2, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
		b.wantTold("transition inactive>firing", "blind", "sighted")
	})
}

func TestAnUnknownVerdictIsToldOfItsInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, nil)
		defer b.stop()
		p.say(complete(verdict(abi.Unknown, "/pay", 0)))
		b.rounds(2, interval, "http.gateway")
		p.say(complete(verdict(abi.Active, "/pay", 1)))
		b.rounds(2, interval, "http.gateway")
		b.wantTold("transition inactive>firing", "blind", "sighted")
		for _, d := range b.lines {
			if d.Fingerprint == 0 {
				t.Errorf("%s does not name the instance", d.Kind)
			}
		}
	})
}

// A source that sends no rounds at all, because its plugin is gone, must not freeze the rule in its last opinion.
func TestNoRoundsAtAllIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, nil)
		defer b.stop()
		p.say(Evaluation{Missing: "gw1 did not answer"})
		time.Sleep(2*interval + interval/4 - time.Millisecond)
		synctest.Wait()
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		b.wantStates("HighErrors", map[string]string{"/pay": "firing?"})
		if s := b.Status()[0]; s.Unprompted != 1 {
			t.Errorf("%d evaluations without data, want 1", s.Unprompted)
		}
	})
}

func TestMissingFireWithoutInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(Evaluation{Missing: "gw1 did not answer"})
		d := define("GatewayGone", p)
		d.OnMissing = MissingFire
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		b.rounds(2, interval, "http.gateway")
		b.wantStates("GatewayGone", map[string]string{"": "firing"})
		if a := b.store.OfRule("GatewayGone")[0]; a.Text != "gw1 did not answer" || a.Labels.Get("alertname") != "GatewayGone" {
			t.Errorf("text %q, labels %s", a.Text, a.Labels)
		}
		p.say(complete())
		b.rounds(1, interval, "http.gateway")
		b.wantStates("GatewayGone", map[string]string{"": "resolved"})
	})
}

// Each failure freezes, the third in a row makes the rule rest, and the rest doubles up to its limit.
func TestAFailingRuleRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, nil)
		defer b.stop()
		p.fail(errors.New("trap: unreachable"))
		b.rounds(400, interval, "http.gateway")

		s := b.Status()[0]
		if s.Health != HealthErr || s.LastError != "trap: unreachable" || s.Failures < failuresInARow {
			t.Errorf("health %s, error %q, %d failures", s.Health, s.LastError, s.Failures)
		}
		// rests of 1s to 8s end before the next round; then 16s, 32s, … 5m
		if s.Failures > 40 {
			t.Errorf("%d failures within 100 minutes: it does not rest", s.Failures)
		}
		if rest := time.Until(s.RestsUntil); rest > longestRest {
			t.Errorf("it rests for %v, longer than %v", rest, longestRest)
		}
		b.wantStates("HighErrors", map[string]string{"/pay": "firing?"})

		p.say(complete(verdict(abi.Active, "/pay", 1)))
		b.rounds(int(longestRest/interval)+2, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
		if s := b.Status()[0]; s.Health != HealthOK || s.Failures != 0 || s.LastError != "" {
			t.Errorf("after it recovered: health %s, %d failures, error %q", s.Health, s.Failures, s.LastError)
		}
		b.wantTold("transition inactive>firing", "rule failed", "sighted")
	})
}

func TestAPanicIsAFailureOfThatRuleAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := says(Evaluation{})
		bad.set(func(time.Time) (Evaluation, error) { panic("index out of range") })
		good := says(complete(verdict(abi.Active, "/pay", 1)))
		b := start(t, newDisk(), 1, define("Bad", bad), define("Good", good))
		defer b.stop()
		b.rounds(4, interval, "http.gateway")
		if s := b.Status()[0]; s.LastError != "panic: index out of range" {
			t.Errorf("status says %q", s.LastError)
		}
		if good.evaluations() != 4 {
			t.Errorf("the other rule was evaluated %d times, want 4", good.evaluations())
		}
		b.wantStates("Good", map[string]string{"/pay": "firing"})
	})
}
