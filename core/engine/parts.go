package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// parts is a rule that overrides give other parameters for some of its series: a program for each of them, and one for
// the rest. To everybody else it is one rule: which part speaks of an instance is no part of its identity, so states
// survive when an override comes, changes or goes.
//
// A part that sees no series has no say, unless none sees any: an override about series that do not exist is no reason to
// call the rule blind. Two parts speak of one instance where a group has series in both. That is a mistake in the
// configuration; the verdict that costs no page counts least: active before unknown before healthy, then the earlier.
type parts []partOfRule

// partOfRule is one of them. The last is the rest, which no override matches.
type partOfRule struct {
	*program
	name string // for people: override {endpoint="/pay"}
}

const theRest = "the rest"

// Eval reads all windows before any is judged, so that they show the same moment.
func (ps *parts) Eval(ctx context.Context, at time.Time) (rule.Evaluation, error) {
	seen := make([]rule.Evaluation, len(*ps))
	heard := make([]bool, len(*ps))
	for i, p := range *ps {
		seen[i] = p.read(at)
		heard[i] = p.sees() || seen[i].Left
	}
	if !slices.Contains(heard, true) {
		heard[len(*ps)-1] = true
	}
	whole := merging{Evaluation: rule.Evaluation{Complete: true}, by: map[uint64][]int{}}
	for i, p := range *ps {
		if err := p.judge(ctx, &seen[i]); err != nil { // also one without a say, which may remember what it saw
			return rule.Evaluation{}, fmt.Errorf("%s: %w", p.name, err)
		}
		whole.add(p.name, &seen[i], heard[i])
	}
	whole.Missing = strings.Join(whole.missing, "; ")
	return whole.Evaluation, nil
}

// Close closes all parts.
func (ps *parts) Close(ctx context.Context) error {
	var errs []error
	for _, p := range *ps {
		errs = append(errs, p.program.Close(ctx))
	}
	return errors.Join(errs...)
}

// merging puts the evaluations of parts together.
type merging struct {
	rule.Evaluation
	missing []string
	speaker []string         // the name of the part, for each verdict
	by      map[uint64][]int // positions of verdicts, by hash of their labels
}

func (m *merging) add(name string, ev *rule.Evaluation, heard bool) {
	m.Complete = m.Complete && ev.Complete
	m.Fuel += ev.Fuel
	if ev.Missing != "" && (heard || !ev.Complete) {
		m.missing = append(m.missing, name+": "+ev.Missing)
	}
	if !heard {
		return
	}
	m.Empty, m.NoVerdict, m.Left = m.Empty || ev.Empty, m.NoVerdict || ev.NoVerdict, m.Left || ev.Left
	for _, v := range ev.Verdicts {
		m.verdict(name, v)
	}
}

func (m *merging) verdict(name string, v abi.Verdict) {
	hash := v.Labels.Hash()
	for _, i := range m.by[hash] {
		if m.speaker[i] == name || !m.Verdicts[i].Labels.Equal(v.Labels) {
			continue // who contradicts itself is not helped here
		}
		if m.Ambiguous == "" {
			m.Ambiguous = fmt.Sprintf("two verdicts about one instance: %s has series in %s and in %s. Let the overrides of a rule match by the labels that its instances have",
				v.Labels, m.speaker[i], name)
		}
		if weight(v.Status) > weight(m.Verdicts[i].Status) {
			m.Verdicts[i], m.speaker[i] = v, name
		}
		return
	}
	m.by[hash] = append(m.by[hash], len(m.Verdicts))
	m.Verdicts, m.speaker = append(m.Verdicts, v), append(m.speaker, name)
}

// weight is how much a verdict counts against another about the same instance.
func weight(s abi.Status) int {
	switch s {
	case abi.Active:
		return 2
	case abi.Healthy:
		return 0
	}
	return 1
}

// overridesOf are those of a rule, in their order.
func overridesOf(r config.Rule, all []config.Override) (own []config.Override) {
	for _, o := range all {
		if o.Rule == r.Name || o.Rule == r.Alertname() {
			own = append(own, o)
		}
	}
	return own
}

// merged are the parameters of a rule with those of an override in their place.
func merged(params, override json.RawMessage) (json.RawMessage, error) {
	all, changed := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(params, &all), json.Unmarshal(override, &changed)); err != nil {
		return nil, fmt.Errorf("merge parameters: %w", err)
	}
	maps.Copy(all, changed)
	return json.Marshal(all)
}

// nameOfOverride is the same wherever the override stands among others.
func nameOfOverride(matchers []*labels.Matcher) string {
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	slices.Sort(texts)
	return "override {" + strings.Join(texts, ",") + "}"
}
