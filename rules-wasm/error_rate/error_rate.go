package main

import (
	"slices"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// ErrorRate compares the requests that failed with all requests, over the window of its input.
type ErrorRate struct {
	Threshold   float64      `param:"threshold" default:"0.05" min:"0" max:"1" doc:"error share above which an instance is active"`
	Errors      rule.Matcher `param:"errors" default:"code=~'5..|5xx'" doc:"which requests count as errors"`
	By          []string     `param:"by" doc:"one instance for each combination of these labels; without it, one for all series"`
	MinRequests float64      `param:"min_requests" default:"0" min:"0" doc:"below this many requests in the window: unknown, not healthy"`
	Requests    rule.Input   `input:"requests" reduce:"increase" window:"5m" doc:"request counters"`

	sums []rule.Sum // scratch
}

// Describe names the module.
func (*ErrorRate) Describe() rule.Info {
	return rule.Info{Name: "error_rate", Version: "1.0.0", Description: "share of requests that fail, for each group of series"}
}

// Eval gives one verdict a group. Its value is the error share, 0 to 1. Errors count whoever reports them; health needs
// to hear from every target that the group may have series of.
func (r *ErrorRate) Eval(_ rule.Window, out *rule.Verdicts) error {
	groups := r.Requests.GroupBy(r.By...)
	r.sums = r.Requests.Sums(groups, r.Requests.Match(r.Errors), r.sums)
	heardAll := r.Requests.Complete() || slices.Contains(r.By, "instance") // a group of its own for each target
	for i := range r.sums {
		requests := &r.sums[i]
		if !requests.Listed {
			continue // the engine sees it go
		}
		if requests.Series == 0 || requests.All < r.MinRequests {
			out.Unknown(groups.At(i))
			continue
		}
		share := 0.0 // of no requests none have failed
		if requests.All > 0 {
			share = requests.Matched / requests.All
		}
		switch {
		case share > r.Threshold:
			out.Active(groups.At(i), share).Threshold(r.Threshold)
		case requests.Missing || !heardAll:
			out.Unknown(groups.At(i))
		default:
			out.Healthy(groups.At(i), share).Threshold(r.Threshold)
		}
	}
	return nil
}
