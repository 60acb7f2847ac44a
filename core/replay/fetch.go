package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/core/history"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// FetchOptions say which history to fetch.
type FetchOptions struct {
	URL       string            // of a Prometheus
	Transport http.RoundTripper // nil: the real one
	From, To  time.Time
	Step      time.Duration // 0: samples as they were stored
	Configs   []*config.Config
	Capture   string // the file to write; it must not be there
}

// Fetch fetches what the rules of the configurations read, as a capture. The notes say what of the history is not in it.
func Fetch(ctx context.Context, o FetchOptions) (notes []string, err error) {
	file, err := capture.New(o.Capture)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	report, err := history.Read(ctx, history.Options{
		URL: o.URL, Transport: o.Transport, From: o.From, To: o.To, Step: o.Step,
		Selectors: selectors(o.Configs), Sources: sources(o.Configs),
	}, sink{file})
	if err != nil {
		return nil, err
	}
	if err := file.End(o.To); err != nil {
		return nil, err
	}
	if o.Step > 0 {
		notes = append(notes, fmt.Sprintf("there is a sample every %s: what happened in between is not known, and what was gone stays for up to 5m", o.Step))
	}
	var strangers []string
	for target, series := range report.Strangers {
		strangers = append(strangers, fmt.Sprintf("%s (%d)", target, series))
	}
	if note := some("series of targets that the configuration does not collect from are left out, by job/instance", strangers); note != "" {
		notes = append(notes, note)
	}
	if report.Answers == 0 {
		return nil, fmt.Errorf("the Prometheus at that address has no samples of the configuration's targets from %s to %s (%s)",
			clock(o.From), clock(o.To), strings.Join(append(notes, "sources are found by the label job, targets by instance"), "; "))
	}
	return notes, nil
}

// sink writes history to a capture.
type sink struct{ to *capture.Writer }

// Answer implements [history.Sink].
func (s sink) Answer(at time.Time, from history.Target, f frame.Frame, failure string) error {
	return s.to.Answer(at, capture.Answer{Target: capture.Target(from), Frame: f, Failure: failure})
}

// Found implements [history.Sink].
func (s sink) Found(at time.Time, from string, groups []source.Group) error {
	return s.to.Found(at, capture.Found{Source: from, Groups: groups})
}

// sources are those of all configurations, each with the targets that it has in any of them.
func sources(configs []*config.Config) (all []history.Source) {
	places := map[string]int{}
	for _, cfg := range configs {
		for _, s := range cfg.Sources {
			i, known := places[sourceName(s)]
			if !known {
				i = len(all)
				places[sourceName(s)] = i
				all = append(all, history.Source{Name: sourceName(s), Job: s.Job(), Labels: s.Labels, Addresses: map[string]string{}})
			}
			for _, target := range s.Targets {
				all[i].Addresses[scrape.Instance(target)] = target
			}
			all[i].Finds = all[i].Finds || len(s.Discoveries) > 0
		}
	}
	return all
}

// selectors are what the rules of all configurations read, in PromQL. Labels that a source of Tocsin gives to its series
// need not be there in the history.
func selectors(configs []*config.Config) (all []string) {
	given := map[string]bool{}
	for _, cfg := range configs {
		for _, s := range cfg.Sources {
			for name := range s.Labels {
				given[name] = name != "job"
			}
		}
	}
	for _, cfg := range configs {
		for _, r := range cfg.Rules {
			for _, matchers := range r.Selectors() {
				if text := selector(matchers, given); !slices.Contains(all, text) {
					all = append(all, text)
				}
			}
		}
	}
	return all
}

func selector(matchers []*labels.Matcher, given map[string]bool) string {
	var parts []string
	selective := false
	for _, m := range matchers {
		if !given[m.Name] {
			parts = append(parts, m.String())
			selective = selective || !m.Matches("")
		}
	}
	if !selective && len(given) > 0 {
		return selector(matchers, nil) // a Prometheus refuses to be asked for everything
	}
	return "{" + strings.Join(parts, ",") + "}"
}
