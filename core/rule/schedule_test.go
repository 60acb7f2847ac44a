package rule

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestARuleWaitsForAllOfItsSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete())
		d := define("Compare", p)
		d.Sources = []string{"http.gateway", "http.odoo", "http.gateway"}
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		for _, step := range []struct {
			source string
			want   int
		}{
			{"http.gateway", 0},
			{"http.gateway", 0},
			{"http.odoo", 1},
			{"http.odoo", 1},
			{"http.gateway", 2},
			{"http.other", 2},
		} {
			time.Sleep(time.Second)
			b.Round(step.source, time.Now())
			synctest.Wait()
			if got := p.evaluations(); got != step.want {
				t.Fatalf("%d evaluations after a round of %s, want %d", got, step.source, step.want)
			}
		}
	})
}

func TestEveryIsAligned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete())
		d := define("Hourly", p)
		d.Every = time.Minute
		time.Sleep(17 * time.Second)
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		begin := time.Now().Truncate(time.Minute)
		b.rounds(4, time.Second, "http.gateway")
		if p.evaluations() != 0 {
			t.Error("a round made it due, its clock should")
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		want := []time.Time{begin.Add(time.Minute), begin.Add(2 * time.Minute), begin.Add(3 * time.Minute)}
		if diff := cmp.Diff(want, p.at); diff != "" {
			t.Errorf("judged times (-want +got):\n%s", diff)
		}
	})
}

// slow makes a program take its time.
func slow(p *script, d time.Duration, ev Evaluation) {
	p.set(func(time.Time) (Evaluation, error) { time.Sleep(d); return ev, nil })
}

func TestARuleIsNeverEvaluatedTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete())
		slow(p, 40*time.Second, complete())
		b := start(t, newDisk(), 4, define("Slow", p))
		defer b.stop()
		b.rounds(20, interval, "http.gateway")
		if p.most != 1 {
			t.Errorf("%d evaluations of it at once", p.most)
		}
		s := b.Status()[0]
		if s.Skipped == 0 || s.Evaluations < 6 {
			t.Errorf("%d evaluations, %d skipped in 5 minutes of 40s each", s.Evaluations, s.Skipped)
		}
		if last := p.at[len(p.at)-1]; time.Since(last) > 60*time.Second {
			t.Errorf("it judges data that are %v old", time.Since(last))
		}
		n := 0
		for _, line := range b.told() {
			if line == "skipped" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d lines say that rounds were skipped, want 1 while it stays so", n)
		}
	})
}

func TestWorkersBoundWhatRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete())
		slow(p, time.Second, complete())
		var definitions []Definition
		for i := range 7 {
			definitions = append(definitions, define(fmt.Sprintf("Rule%d", i), p))
		}
		b := start(t, newDisk(), 3, definitions...)
		defer b.stop()
		b.rounds(1, interval, "http.gateway")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if p.most != 3 || p.evaluations() != 7 {
			t.Errorf("%d at once, %d in all, want 3 and 7", p.most, p.evaluations())
		}
	})
}

// Those who act on alerts hear of a round once, after its last rule.
func TestOnChangeComesAfterTheWholeRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var definitions []Definition
		for i := range 3 {
			p := says(complete())
			slow(p, time.Second, complete(verdict(abi.Active, "/pay", 1)))
			definitions = append(definitions, define(fmt.Sprintf("Rule%d", i), p))
		}
		b := start(t, newDisk(), 1, definitions...)
		defer b.stop()
		time.Sleep(interval)
		b.Round("http.gateway", time.Now())
		time.Sleep(2900 * time.Millisecond)
		synctest.Wait()
		if len(b.store.Rules()) != 2 || b.changes() != 0 {
			t.Errorf("%d rules fire, OnChange called %d times before the third", len(b.store.Rules()), b.changes())
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if b.changes() != 1 {
			t.Errorf("OnChange was called %d times after the round, want once", b.changes())
		}
		b.rounds(2, interval, "http.gateway")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if b.changes() != 1 {
			t.Errorf("OnChange was called %d times, though nothing changed", b.changes())
		}
	})
}

// A rule that does not come back must not hide what the others of its round found.
func TestOnChangeDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, good := says(complete()), says(complete(verdict(abi.Active, "/pay", 1)))
		release := make(chan struct{})
		stuck.set(func(time.Time) (Evaluation, error) { <-release; return complete(), nil })
		b := start(t, newDisk(), 2, define("Stuck", stuck), define("Good", good))
		defer b.stop()
		defer close(release)
		b.rounds(1, interval, "http.gateway")
		time.Sleep(2 * patience)
		synctest.Wait()
		if b.changes() != 1 {
			t.Errorf("OnChange was called %d times, want once after %v", b.changes(), patience)
		}
	})
}

func TestTheIntervalIsLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete())
		d := define("Learned", p)
		d.Interval = 0
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		b.rounds(10, time.Second, "http.gateway")
		n := p.evaluations()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if p.evaluations() == n {
			t.Error("rounds came every second, and their absence for 3s was not noticed")
		}
	})
}
