package httpsource

import (
	"strings"

	"github.com/prometheus/common/model"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// skeleton is a text page without its values: what stays the same from scrape to scrape.
//
// The page is cut before and after each value. fixed holds what is before the first value, what is between the end
// of the first value's line and the second value, and so on (comments, TYPE lines, the series as written), and after
// the last value's line the rest of the page. What follows a value on its line (timestamp, exemplar, line feed) is
// not kept.
type skeleton struct {
	format format
	fixed  []byte
	ends   []uint32 // where in fixed the bytes before value i end
	lines  []line   // what is known of sample i
	metas  []meta   // TYPE declarations seen; the first stands for none
}

// line is what is known of a sample's line.
type line struct {
	ref  int32  // its column, negative: left out because of the series limit. While a draft is made: see draft.refs
	head uint32 // bytes of comments and metadata before the series in its part of fixed
	meta uint32 // the TYPE declaration in force, an index of metas
	kind frame.Kind
	bits lineBits
}

type lineBits uint8

const (
	again    lineBits = 1 << iota // an earlier line has the same column
	declares                      // there is a TYPE declaration in the head
)

// meta is a TYPE declaration: the only state that Prometheus' text parsers carry from line to line.
type meta struct {
	family string
	kind   model.MetricType
}

// end is where the bytes before the last value end.
func (s *skeleton) end() int {
	if len(s.ends) == 0 {
		return 0
	}
	return int(s.ends[len(s.ends)-1])
}

// before returns the bytes before value i.
func (s *skeleton) before(i int) []byte {
	if i == 0 {
		return s.fixed[:s.ends[0]]
	}
	return s.fixed[s.ends[i-1]:s.ends[i]]
}

// tail returns the bytes after the last value's line.
func (s *skeleton) tail() []byte {
	return s.fixed[s.end():]
}

// metaOf returns the index of a declaration, which is added where it is new.
func (s *skeleton) metaOf(family []byte, kind model.MetricType, near uint32) uint32 {
	for i := near; i < near+2 && int(i) < len(s.metas); i++ { // mostly declarations come in the order of the page before
		if s.metas[i].kind == kind && s.metas[i].family == string(family) {
			return i
		}
	}
	s.metas = append(s.metas, meta{family: string(family), kind: kind})
	return uint32(len(s.metas) - 1)
}

// same tells whether two declarations have the same effect.
func (s *skeleton) same(a, b uint32) bool { return a == b || s.metas[a] == s.metas[b] }

// kindOf tells the kind of a series under a declaration, which may be of another family: TYPE is optional.
func (m meta) kindOf(name string) frame.Kind {
	rest, ok := strings.CutPrefix(name, m.family)
	if m.kind == model.MetricTypeCounter && !ok {
		// OpenMetrics declares foo and exposes foo_total, some declare foo_total and expose foo.
		family, cut := strings.CutSuffix(m.family, "_total")
		rest, ok = strings.CutPrefix(name, family)
		ok = ok && cut && rest == ""
	}
	if !ok {
		return frame.Untyped
	}
	suffixes, kind := "", frame.Untyped
	switch m.kind {
	case model.MetricTypeCounter:
		suffixes, kind = " _total", frame.Counter
	case model.MetricTypeGauge:
		kind = frame.Gauge
	case model.MetricTypeHistogram:
		suffixes, kind = " _bucket _sum _count", frame.Histogram
	case model.MetricTypeGaugeHistogram:
		suffixes, kind = " _bucket _gsum _gcount _sum _count", frame.Histogram
	case model.MetricTypeSummary:
		suffixes, kind = " _sum _count", frame.Summary
	case model.MetricTypeInfo:
		suffixes, kind = " _info", frame.Info
	case model.MetricTypeStateset:
		kind = frame.StateSet
	}
	if rest == "" {
		return kind
	}
	for suffix := range strings.FieldsSeq(suffixes) {
		if rest == suffix {
			return kind
		}
	}
	return frame.Untyped
}
