package window

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// The model is the same store written naively: each series is a list of samples, each reduction a loop over them. It
// follows the package comment, not the code.

type history struct {
	samples []sample
	born    []birth // of each sample: the latest birth before it since the sample before it
	births  []birth // that no sample follows yet
	own     bool    // its samples bring their own times
	onPage  bool
	ended   bool // the last good collection did not have it, or had a stale marker in its place
}

type model struct {
	interval int64
	series   map[string]*history
	page     []string // codes on the last good page
	size     int      // of that page, with series that nobody reads
	rows     int
	last     int64 // time of the last good collection
	answered bool  // the last collection was good
}

// append takes a good collection. A value that is a hole is a stale marker. times are 0 where it is the page's.
func (m *model) append(at int64, codes []string, values []float64, times []int64, size int) {
	gained := size - m.size
	mass := gained >= massAppearance && gained > m.size
	for _, h := range m.series {
		h.onPage = false
	}
	for _, code := range m.page {
		m.series[code].onPage = true
	}
	seen := make(map[string]bool)
	for i, code := range codes {
		seen[code] = true
		h := m.series[code]
		if h == nil {
			h = &history{ended: true}
			m.series[code] = h
		}
		if h.ended && m.rows > 0 && (!h.onPage || !isHole(values[i])) {
			b := birth{at: m.last, before: sample{t: never}}
			if mass && !h.onPage {
				b.at = never
			}
			if n := len(h.samples); n > 0 {
				b.before = h.samples[n-1]
			}
			h.births = append(h.births, b)
		}
		h.ended = isHole(values[i])
		t := at
		if times[i] != 0 {
			t, h.own = times[i], true
		}
		if n := len(h.samples); isHole(values[i]) || n > 0 && t <= h.samples[n-1].t {
			continue
		}
		h.samples, h.born, h.births = append(h.samples, sample{t, values[i]}), append(h.born, h.birthBefore(t)), nil
	}
	for code, h := range m.series {
		h.onPage = seen[code]
		h.ended = h.ended || !seen[code]
	}
	m.page, m.size, m.rows, m.last, m.answered = codes, size, m.rows+1, at, true
}

// birthBefore is the birth that a sample of time t begins with. Where times are the page's it is the latest one; a time
// of its own has to lie behind the row that is the proof.
func (h *history) birthBefore(t int64) birth {
	for _, b := range slices.Backward(h.births) {
		if n := len(h.samples); !h.own || b.at != never && b.at < t && (n == 0 || b.at >= h.samples[n-1].t) {
			return b
		}
	}
	return birth{at: never, before: sample{t: never}}
}

// view is what one series must look like in a window.
type view struct {
	samples []sample
	value   float64
	ok      bool
	flags   uint8
	listed  bool
}

func (m *model) read(code string, at, window int64, reduce abi.Reduce, arg float64) view {
	h := m.series[code]
	start := at - window
	oldest := start - max(window, 3*m.interval)
	var v view
	var base *sample
	earlier := false
	born := birth{at: never}
	for i, s := range h.samples {
		switch {
		case s.t <= start:
			earlier = true
			if s.t > oldest {
				base = &sample{s.t, s.v}
			} else {
				base = nil
			}
		case s.t <= at:
			if len(v.samples) == 0 {
				born = h.born[i]
			}
			v.samples = append(v.samples, s)
		}
	}
	fresh := m.answered && at-m.last <= 2*m.interval
	if !fresh {
		v.flags |= abi.FlagMissing | abi.FlagEnded
	}
	if h.ended {
		v.flags |= abi.FlagEnded
	}
	v.listed = len(v.samples) > 0 || !fresh && !h.ended && earlier
	if len(v.samples) == 0 {
		return v
	}
	chain := v.samples
	if base != nil {
		chain = append([]sample{*base}, chain...)
	}
	for i := 1; i < len(chain); i++ {
		if chain[i].v < chain[i-1].v {
			v.flags |= abi.FlagReset
		}
	}
	isBorn := base == nil && born.at > oldest && (born.before.t == never || v.samples[0].v < born.before.v)
	if isBorn {
		v.flags |= abi.FlagBorn
	}
	v.value, v.ok = naive(chain, v.samples, isBorn, born.at, reduce, arg)
	return v
}

// naive reduces what lies inside the window. chain begins with the baseline, if there is one.
func naive(chain, inside []sample, born bool, bornAt int64, reduce abi.Reduce, arg float64) (float64, bool) {
	n := float64(len(inside))
	var values []float64
	sum := 0.0
	for _, s := range inside {
		values = append(values, s.v)
		sum += s.v
	}
	mean := sum / n
	last := chain[len(chain)-1]
	switch reduce {
	case abi.Increase, abi.Rate:
		if born {
			chain = append([]sample{{bornAt, 0}}, chain...)
		}
		if len(chain) < 2 {
			return 0, false
		}
		grown, from := 0.0, chain[0].v
		for i := 1; i < len(chain); i++ {
			if prev := chain[i-1].v; chain[i].v < prev {
				if prev != from { // infinity less infinity is no growth
					grown += prev - from
				}
				from = 0
			}
		}
		grown += last.v - from
		if reduce == abi.Rate {
			grown /= float64(last.t-chain[0].t) / 1000
		}
		return grown, true
	case abi.Delta:
		return last.v - chain[0].v, len(chain) > 1
	case abi.Last:
		return last.v, true
	case abi.Avg:
		return mean, true
	case abi.Min:
		return slices.Min(numbers(values)), true
	case abi.Max:
		return slices.Max(numbers(values)), true
	case abi.Sum:
		return sum, true
	case abi.Count:
		return n, true
	case abi.Stddev:
		squares := 0.0
		for _, v := range values {
			squares += (v - mean) * (v - mean)
		}
		return math.Sqrt(squares / n), true
	case abi.Quantile:
		slices.Sort(values)
		rank := arg * (n - 1)
		low := math.Floor(rank)
		high := min(low+1, n-1)
		return values[int(low)]*(1-(rank-low)) + values[int(high)]*(rank-low), true
	}
	return 0, false
}

// numbers leaves out what is not a number, unless there is nothing else.
func numbers(values []float64) []float64 {
	kept := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(kept) == 0 {
		return values
	}
	return kept
}

var reductions = []abi.Reduce{
	abi.Raw, abi.Last, abi.Increase, abi.Rate, abi.Delta, abi.Avg, abi.Min, abi.Max, abi.Sum, abi.Count, abi.Stddev, abi.Quantile,
}

// TestStoreAgainstModel drives a store and the model with the same random history and compares every window.
func TestStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Second
		s := New(Options{})
		s.chunk = rapid.SampledFrom([]int{1, 2, 3, defaultChunk}).Draw(t, "chunk")
		d := driver{store: s, log: new(memoryLog), model: &model{interval: interval.Milliseconds(), series: make(map[string]*history)}}
		s.RecordTo(d.log)
		d.open(interval)
		matchers, err := ParseSelector("requests_total")
		if err != nil {
			t.Fatal(err)
		}
		longest := 1 + rapid.IntRange(0, 20).Draw(t, "longest window")
		// The longest window is read from the first collection on, so that nothing that the model has is missing.
		d.add(Query{Matchers: matchers, Window: time.Duration(longest) * interval})
		steps := rapid.IntRange(1, 80).Draw(t, "steps")
		for range steps {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				d.miss(t)
			case 1:
				q := Query{Matchers: matchers, Reduce: rapid.SampledFrom(reductions).Draw(t, "reduce"), ReduceArg: rapid.Float64Range(0, 1).Draw(t, "q")}
				q.Window = time.Duration(rapid.IntRange(500, longest*1000).Draw(t, "window")) * time.Millisecond
				d.add(q)
			case 2:
				if len(d.views) > 1 {
					i := rapid.IntRange(1, len(d.views)-1).Draw(t, "close")
					d.views[i].Close()
					d.views = slices.Delete(d.views, i, i+1)
					d.queries = slices.Delete(d.queries, i, i+1)
				}
			case 3:
				d.churn(t)
				d.row(t)
			case 4:
				switch rapid.IntRange(0, 3).Draw(t, "interruption") {
				case 0:
					d.target.Close()
					d.open(interval)
				case 1:
					d.restart(t, interval)
				case 2:
					d.log.rotate(d.store)
				}
			default:
				d.row(t)
			}
			for i := range d.views {
				d.compare(t, i)
			}
		}
	})
}
