// Package history reads what a Prometheus stored and puts it together again as what targets answered: each sample goes
// back to the collection that it came with. Anything that has the query API of a Prometheus will do.
package history

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// Options say what to read.
type Options struct {
	URL       string            // of the Prometheus; it may hold a user and password
	Transport http.RoundTripper // nil: one of its own
	From, To  time.Time
	Step      time.Duration // between samples; 0: as they were stored
	Selectors []string      // of the series, in PromQL
	Sources   []Source
}

// Source is a source of the configuration, with what its series carry.
type Source struct {
	Name      string
	Job       string
	Labels    map[string]string
	Addresses map[string]string // of its targets, by their label instance
	Finds     bool              // it has targets that are not among Addresses: all of its job
}

// Sink takes what targets answered, in the order of time. Frames are good until the next call.
type Sink interface {
	Answer(at time.Time, from Target, f frame.Frame, failure string) error
	Found(at time.Time, source string, groups []source.Group) error
}

// Target is where an answer came from.
type Target struct {
	Source   string
	Address  string
	Interval time.Duration // between its collections, as they were; 0: not known
}

// Report is what was read, and what of it could not be used.
type Report struct {
	Samples   int
	Answers   int
	Strangers map[string]int // series by job/instance that no source of the configuration collects from
}

// most samples of a series in one query: Prometheus refuses a range with more than 11,000 points.
const most = 10_000

// chunk is how much is read at once if the samples are as they were stored.
const chunk = time.Hour

// shortest is what is not divided any further when a Prometheus says that a query loads too much.
const shortest = time.Minute

// Read reads the history and hands it on.
func Read(ctx context.Context, o Options, to Sink) (Report, error) {
	transport := o.Transport
	if transport == nil {
		own := &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: 2 * time.Minute}
		defer own.CloseIdleConnections()
		transport = own
	}
	client, err := api.NewClient(api.Config{Address: o.URL, Client: &http.Client{Transport: bounded{transport}}})
	if err != nil {
		return Report{}, fmt.Errorf("the address of the Prometheus: %w", err)
	}
	r := newReader(o, v1.NewAPI(client), to)
	length := chunk
	if o.Step > 0 {
		length = most * o.Step
	}
	// The first sample may be at From itself.
	for from := o.From.Add(-time.Millisecond); from.Before(o.To); from = from.Add(length) {
		if err := r.period(ctx, from, minTime(from.Add(length), o.To)); err != nil {
			return Report{}, err
		}
	}
	return r.report, nil
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// period reads what is later than from, until to.
func (r *reader) period(ctx context.Context, from, to time.Time) error {
	err := r.collect(ctx, from, to)
	if tooMuch(err) && to.Sub(from) > shortest {
		middle := from.Add(to.Sub(from) / 2).Truncate(time.Second)
		if err := r.period(ctx, from, middle); err != nil {
			return err
		}
		return r.period(ctx, middle, to)
	}
	if err != nil {
		return fmt.Errorf("read the history from %s to %s: %w", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), err)
	}
	return r.flush(from)
}

// collect queries everything of a period.
func (r *reader) collect(ctx context.Context, from, to time.Time) error {
	r.clear()
	for _, selector := range r.health() {
		matrix, err := r.query(ctx, selector, from, to)
		if err != nil {
			return err
		}
		for _, s := range matrix {
			r.up(s, from, to)
		}
	}
	for _, selector := range r.options.Selectors {
		matrix, err := r.query(ctx, selector, from, to)
		if err != nil {
			return err
		}
		for _, s := range matrix {
			r.series(s, from, to)
		}
	}
	return nil
}

// query reads the samples of a selector that are later than from, until to. There may be others before.
func (r *reader) query(ctx context.Context, selector string, from, to time.Time) (model.Matrix, error) {
	var value model.Value
	var err error
	if step := r.options.Step; step > 0 {
		start := r.options.From.Add((from.Sub(r.options.From)/step + 1) * step)
		if from.Before(r.options.From) {
			start = r.options.From
		}
		if start.After(to) {
			return nil, nil
		}
		value, _, err = r.api.QueryRange(ctx, selector, v1.Range{Start: start, End: to, Step: step})
	} else {
		value, _, err = r.api.Query(ctx, fmt.Sprintf("%s[%dms]", selector, to.Sub(from).Milliseconds()), to)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", selector, err)
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("%s: the answer is no matrix but a %s", selector, value.Type())
	}
	slices.SortFunc(matrix, func(a, b *model.SampleStream) int { // so that pages are in the same order each time
		switch {
		case a.Metric.Before(b.Metric):
			return -1
		case b.Metric.Before(a.Metric):
			return 1
		}
		return 0
	})
	return matrix, nil
}

// tooMuch tells whether a shorter period may be read where this one was not.
func tooMuch(err error) bool {
	if refused, ok := errors.AsType[*v1.Error](err); ok {
		return strings.Contains(refused.Msg, "too many samples") || strings.Contains(refused.Msg, "exceeded maximum resolution") || refused.Type == v1.ErrTimeout
	}
	return errors.Is(err, errLong)
}

// health are the selectors of up for the jobs of the configuration.
func (r *reader) health() (selectors []string) {
	for _, s := range r.options.Sources {
		if selector := fmt.Sprintf("up{job=%q}", s.Job); !slices.Contains(selectors, selector) {
			selectors = append(selectors, selector)
		}
	}
	return selectors
}
