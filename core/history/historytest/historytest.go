// Package historytest plays a Prometheus that has stored some series.
package historytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Series is one stored series.
type Series struct {
	Labels  labels.Labels
	Samples []model.SamplePair
}

// Prometheus answers queries for samples of its series, by their matchers alone, in the two ways that a history is read:
// an instant query of a range selector, and a range query of a selector. It has the limits of the real one.
type Prometheus struct {
	Series     []Series
	MaxSamples int          // of one query; 0: no limit
	Queries    atomic.Int64 // that were answered well
}

// staleAfter is how long a sample stands in a range query, as in Prometheus.
const staleAfter = 5 * time.Minute

// maxPoints is how many points a range query may have, as in Prometheus.
const maxPoints = 11_000

// ServeHTTP implements [http.Handler].
func (p *Prometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var matrix model.Matrix
	var err error
	switch r.URL.Path {
	case "/api/v1/query":
		matrix, err = p.instant(r)
	case "/api/v1/query_range":
		matrix, err = p.ranged(r)
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "error", "errorType": "execution", "error": err.Error()})
		return
	}
	p.Queries.Add(1)
	if matrix == nil {
		matrix = model.Matrix{}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": matrix}})
}

// instant answers selector[range] at a time.
func (p *Prometheus) instant(r *http.Request) (model.Matrix, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	ranged, ok := expr.(*parser.MatrixSelector)
	if !ok {
		return nil, fmt.Errorf("%s is no range selector", expr)
	}
	at, err := seconds(r, "time")
	if err != nil {
		return nil, err
	}
	from := at.Add(-ranged.Range)
	return p.pick(ranged.VectorSelector, func(s Series) (found []model.SamplePair) {
		for _, pair := range s.Samples {
			if t := pair.Timestamp.Time(); t.After(from) && !t.After(at) {
				found = append(found, pair)
			}
		}
		return found
	})
}

// ranged answers a selector from start to end.
func (p *Prometheus) ranged(r *http.Request) (model.Matrix, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	start, err := seconds(r, "start")
	if err != nil {
		return nil, err
	}
	end, err := seconds(r, "end")
	if err != nil {
		return nil, err
	}
	step, err := strconv.ParseFloat(r.FormValue("step"), 64)
	if err != nil || step <= 0 {
		return nil, fmt.Errorf("step: %q", r.FormValue("step"))
	}
	if end.Sub(start).Seconds()/step > maxPoints {
		return nil, fmt.Errorf("exceeded maximum resolution of %d points per timeseries", maxPoints)
	}
	return p.pick(expr, func(s Series) (found []model.SamplePair) {
		next := 0
		for at := start; !at.After(end); at = at.Add(time.Duration(step * float64(time.Second))) {
			for next < len(s.Samples) && !s.Samples[next].Timestamp.Time().After(at) {
				next++
			}
			if next > 0 && at.Sub(s.Samples[next-1].Timestamp.Time()) < staleAfter {
				found = append(found, model.SamplePair{Timestamp: model.TimeFromUnixNano(at.UnixNano()), Value: s.Samples[next-1].Value})
			}
		}
		return found
	})
}

func seconds(r *http.Request, name string) (time.Time, error) {
	s, err := strconv.ParseFloat(r.FormValue(name), 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	return time.UnixMilli(int64(s*1000 + 0.5)), nil
}

// pick takes samples of the series that a selector selects.
func (p *Prometheus) pick(expr parser.Expr, take func(Series) []model.SamplePair) (model.Matrix, error) {
	selector, ok := expr.(*parser.VectorSelector)
	if !ok {
		return nil, fmt.Errorf("%s is no selector", expr)
	}
	var matrix model.Matrix
	samples := 0
	for _, s := range p.Series {
		if !selects(selector.LabelMatchers, s.Labels) {
			continue
		}
		found := take(s)
		if samples += len(found); p.MaxSamples > 0 && samples > p.MaxSamples {
			return nil, fmt.Errorf("query processing would load too many samples into memory in query execution")
		}
		if len(found) == 0 {
			continue
		}
		metric := model.Metric{}
		s.Labels.Range(func(l labels.Label) { metric[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
		matrix = append(matrix, &model.SampleStream{Metric: metric, Values: found})
	}
	return matrix, nil
}

func selects(matchers []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}
