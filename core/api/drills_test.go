package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/drill"
)

// fakeDrills begins nothing.
type fakeDrills struct {
	asked drill.Request
	err   error
}

func (f *fakeDrills) Begin(r drill.Request) (drill.Drill, error) {
	f.asked = r
	return drill.Drill{ID: "d1", State: drill.Opening}, f.err
}

func (f *fakeDrills) Get(id string) (drill.Drill, error) {
	if id != "d1" {
		return drill.Drill{}, errors.New("there is none")
	}
	return drill.Drill{ID: id}, nil
}

func (f *fakeDrills) All() []drill.Drill { return []drill.Drill{{ID: "d1"}} }

func TestDrills(t *testing.T) {
	const all = "/api/tocsin/v1/drills"
	tests := []struct {
		method, path, body string
		err                error
		status             int
		want               string
	}{
		{"POST", all, `{"labels":{"severity":"critical"},"by":"ann","timeout":"30s"}`, nil, 200, `"id":"d1"`},
		{"POST", all, `{}`, drill.ErrBusy, 429, "try again later"},
		{"POST", all, `{}`, drill.ErrStopped, 503, "stops"},
		{"POST", all, `{}`, drill.ErrNobody, 400, "nobody would be told"},
		{"POST", all, `{"timeout":"soon"}`, nil, 400, "want a duration"},
		{"POST", all, `[`, nil, 400, "decode the body"},
		{"GET", all, "", nil, 200, `[{"id":"d1"`},
		{"GET", all + "/d1", "", nil, 200, `"id":"d1"`},
		{"GET", all + "/d2", "", nil, 404, "there is none"},
	}
	for _, tt := range tests {
		fake := &fakeDrills{err: tt.err}
		r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		New(Options{Tocsin: &Tocsin{Drills: fake}}).ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", tt.method, tt.path, tt.body, w.Code, w.Body, tt.status, tt.want)
		}
		if w.Code == http.StatusOK && tt.method == "POST" &&
			(fake.asked.Labels["severity"] != "critical" || fake.asked.By != "ann" || fake.asked.Timeout != 30*time.Second) {
			t.Errorf("asked for %+v", fake.asked)
		}
	}
}
