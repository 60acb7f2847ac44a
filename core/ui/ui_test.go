package ui

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ask sends a request to pages that tell of one alert, and returns what was silenced.
func ask(t *testing.T, method, target string, form url.Values) (*httptest.ResponseRecorder, *Form) {
	t.Helper()
	var silenced *Form
	pages := New(Options{
		Why: func(w io.Writer, alert string) error {
			if alert == "" {
				return errors.New("which alert?")
			}
			_, err := fmt.Fprintf(w, "%s fired <b>", alert)
			return err
		},
		Silence: func(f Form) (string, error) {
			if f.Comment == "" {
				return "", errors.New("comment is required")
			}
			silenced = &f
			return "0b1c", nil
		},
	})
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	return w, silenced
}

func TestPages(t *testing.T) {
	form := func(change ...string) url.Values {
		f := url.Values{"matchers": {`{a="</textarea>"}`}, "hours": {"1.5"}, "by": {"ann"}, "comment": {"known"}, "until_resolved": {"1"}}
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	for _, tt := range []struct {
		method, target string
		form           url.Values
		status         int
		want           string
	}{
		{"GET", "/why?alert=c166", nil, 200, "<pre>c166 fired &lt;b&gt;</pre>"},
		{"GET", "/why", nil, 400, "which alert?"},
		{"GET", "/silences/new?filter=" + url.QueryEscape(`{a="</textarea>"}`), nil, 200, `required>{a=&#34;&lt;/textarea&gt;&#34;}</textarea>`},
		{"POST", "/silences/new", form(), 200, "tocsin silence expire 0b1c"},
		{"POST", "/silences/new", form("comment", ""), 400, "comment is required"},
		{"POST", "/silences/new", form("hours", "0"), 400, "for how many hours"},
		{"POST", "/silences/new", form("hours", "NaN"), 400, "for how many hours"},
		{"POST", "/silences/new", form("hours", "1e9"), 400, "for how many hours"},
		{"POST", "/silences/new", form("matchers", strings.Repeat("x", maxForm)), 400, "too large"},
		{"GET", "/other", nil, 404, ""},
		{"DELETE", "/silences/new", nil, 405, ""},
	} {
		w, silenced := ask(t, tt.method, tt.target, tt.form)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s: %d, want %d with %q:\n%s", tt.method, tt.target, w.Code, tt.status, tt.want, w.Body)
		}
		if (silenced != nil) != (tt.method == http.MethodPost && tt.status == 200) {
			t.Errorf("%s %s silenced %+v", tt.method, tt.target, silenced)
		}
		if policy := w.Header().Get("Content-Security-Policy"); tt.status < 404 && !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s %s: policy %q", tt.method, tt.target, policy)
		}
	}
	_, silenced := ask(t, "POST", "/silences/new", form())
	want := Form{Matchers: `{a="</textarea>"}`, Duration: 90 * time.Minute, CreatedBy: "ann", Comment: "known", UntilResolved: true}
	if silenced == nil || *silenced != want {
		t.Errorf("silenced %+v, want %+v", silenced, want)
	}
}
