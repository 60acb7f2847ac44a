package rule

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// overLimit identifies the summary of a rule: the instance that stands for all those beyond its limit.
var overLimit = frame.NewLabels(frame.Label{Name: "tocsin_over_limit", Value: "true"})

// newcomer is an active verdict about an instance that has no place yet: one that is not there, or is resolved.
type newcomer struct {
	alert   alert.Alert
	verdict *abi.Verdict
}

// admit gives newcomers the places that are free below the limit, in the order of their labels, and lets the summary
// stand for the rest. Whoever has a place keeps it until it is resolved: nothing but evidence of health ends an alert.
// summary is nil where there is none yet.
func (mv *moved) admit(j job, newcomers []newcomer, summary *alert.Alert, o *outcome) {
	free := max(j.Limit-mv.places, 0)
	if len(newcomers) > free {
		slices.SortFunc(newcomers, func(a, b newcomer) int { return a.verdict.Labels.Compare(b.verdict.Labels) })
	}
	free = min(free, len(newcomers))
	for _, n := range newcomers[:free] {
		mv.step(j, n.alert, n.verdict, mv.judged(j, n.alert.Fingerprint, n.verdict))
	}
	rest := newcomers[free:]
	for _, n := range rest {
		if n.alert.State == alert.Resolved { // remains until that is settled, and gets on no further
			mv.step(j, n.alert, n.verdict, observation{at: j.at, value: n.verdict.Value})
		}
	}
	switch {
	case len(rest) > 0:
		if summary == nil {
			summary = &alert.Alert{Fingerprint: alert.NewFingerprint(j.Name, overLimit), Rule: j.Name, Identity: overLimit, Shadow: j.Shadow}
		}
		mv.summary = summarize(rest)
		ob := mv.judged(j, summary.Fingerprint, mv.summary)
		ob.cause = alert.CauseOverLimit
		mv.step(j, *summary, mv.summary, ob)
	case summary != nil:
		ob := j.leftOut(o)
		if ob.evidence == healthy {
			ob.cause, ob.reason = alert.CauseWithinLimit, "the rule is within its limit again"
		}
		mv.step(j, *summary, noVerdict(overLimit), ob)
	}
}

// summarize is a verdict about all the rest: with the labels and the severity that they have in common.
func summarize(rest []newcomer) *abi.Verdict {
	v := noVerdict(nil)
	v.Status, v.Value, v.Text = abi.Active, float64(len(rest)), "and "+thousands(len(rest))+" more"
	v.Severity = rest[0].verdict.Severity
	common := rest[0].verdict.Labels
	for _, n := range rest[1:] {
		if n.verdict.Severity != v.Severity {
			v.Severity = 0
		}
		common = slices.DeleteFunc(slices.Clone(common), func(l frame.Label) bool { return n.verdict.Labels.Get(l.Name) != l.Value })
	}
	v.Labels = common.With(overLimit...)
	return v
}

// sumUp are the annotations of a summary: those of the rule that are the same for every instance, and what it stands for.
func (r *renderer) sumUp(rule, text string, limit int) map[string]string {
	rendered := map[string]string{}
	for name, c := range r.annotations {
		if c.template == nil && c.err == nil {
			rendered[name] = c.text
		}
	}
	rendered["summary"] = fmt.Sprintf("%s: %s, over its limit of %s", rule, text, thousands(limit))
	return rendered
}

// thousands writes a number for people: 4,312.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
