package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func hashed(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func token(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// ask sends a request through a guard; who is "", "name:password" or "Bearer token".
func ask(g *Guard, method, path, who string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, nil)
	if name, password, ok := strings.Cut(who, ":"); ok {
		r.SetBasicAuth(name, password)
	} else if who != "" {
		r.Header.Set("Authorization", who)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reached") })).ServeHTTP(w, r)
	return w
}

func TestWhoMayDoWhat(t *testing.T) {
	g := New([]Client{
		{Name: "root", PasswordHash: hashed(t, "correct horse"), Scopes: []Scope{Admin}},
		{Name: "grafana", TokenSHA256: token("looking-only"), Scopes: []Scope{Read}},
		{Name: "prometheus", TokenSHA256: token("posting-only"), Scopes: []Scope{Alerts}},
		{Name: "oncall", TokenSHA256: token("silencing-too"), Scopes: []Scope{Read, Silence}},
	})
	const root, grafana, prometheus, oncall = "root:correct horse", "Bearer looking-only", "bearer posting-only", "Bearer silencing-too"
	for _, c := range []struct {
		method, path, who string
		want              int
	}{
		{"GET", "/-/healthy", "", 200},
		{"GET", "/-/ready", "Bearer wrong", 200},
		{"POST", "/-/healthy", "", 401},
		{"GET", "/metrics", "", 401},
		{"GET", "/metrics", "root:wrong", 401},
		{"GET", "/metrics", "root:", 401},
		{"GET", "/metrics", "nobody:correct horse", 401},
		{"GET", "/metrics", "grafana:looking-only", 401}, // a token is no password
		{"GET", "/metrics", "Bearer correct horse", 401},
		{"GET", "/metrics", "Bearer ", 401},
		{"GET", "/metrics", "Bearer looking-only ", 401},
		{"GET", "/metrics", "Token looking-only", 401},
		{"GET", "/metrics", root, 200},
		{"GET", "/metrics", grafana, 200},
		{"GET", "/metrics", prometheus, 403},
		{"GET", "/debug/pprof/heap", grafana, 403}, // the memory of the program may hold secrets
		{"GET", "/debug/pprof/heap", root, 200},
		{"POST", "/api/v1/query_range", grafana, 200},
		{"POST", "/api/v2/alerts", grafana, 403},
		{"POST", "/api/v2/alerts", prometheus, 200},
		{"POST", "/api/v1/alerts", prometheus, 200},
		{"POST", "/api/tocsin/v1/drills", grafana, 403},
		{"POST", "/api/tocsin/v1/drills", prometheus, 200},
		{"POST", "/api/v2/silences", prometheus, 403},
		{"POST", "/api/v2/silences", oncall, 200},
		{"DELETE", "/api/v2/silence/0b1c", oncall, 200},
		{"DELETE", "/api/v2/silence/0b1c", root, 200},
		{"GET", "/silences/new", grafana, 200},
		{"GET", "/silences/new", "", 401},
		{"GET", "/why", prometheus, 403},
		{"POST", "/silences/new", grafana, 403},
		{"POST", "/silences/new", oncall, 200},
		{"POST", "/-/reload", oncall, 403},
		{"POST", "/-/reload", root, 200},
		{"BREW", "/metrics", grafana, 403},
	} {
		w := ask(g, c.method, c.path, c.who)
		if w.Code != c.want || (w.Body.String() == "reached") != (c.want == 200) {
			t.Errorf("%s %s by %q: got %d %s, want %d", c.method, c.path, c.who, w.Code, w.Body, c.want)
		}
		if got := w.Header().Values("WWW-Authenticate"); (len(got) == 2) != (w.Code == 401) {
			t.Errorf("%s %s by %q: got %d, asked for %q", c.method, c.path, c.who, w.Code, got)
		}
	}
	if body := ask(g, "POST", "/-/reload", oncall).Body.String(); !strings.Contains(body, `token "oncall" may not do this: it needs the scope "admin"`) {
		t.Errorf("got %s", body)
	}
}

// A password that was right once is not right for another user, nor is another password right then.
func TestPasswordsAreNotMixedUp(t *testing.T) {
	g := New([]Client{
		{Name: "a", PasswordHash: hashed(t, "of a"), Scopes: []Scope{Admin}},
		{Name: "b", PasswordHash: hashed(t, "of b"), Scopes: []Scope{Admin}},
	})
	for range 2 {
		for who, want := range map[string]int{"a:of a": 200, "b:of b": 200, "a:of b": 401, "b:of a": 401, "a:": 401} {
			if got := ask(g, "GET", "/", who).Code; got != want {
				t.Errorf("%s: got %d, want %d", who, got, want)
			}
		}
	}
}

func TestPagesOfOtherSites(t *testing.T) {
	for _, g := range []*Guard{New(nil), New([]Client{{Name: "x", TokenSHA256: token("t"), Scopes: []Scope{Admin}}})} {
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
			if got := ask(g, "POST", "/api/v2/silences", "Bearer t", header[0], header[1]); got.Code != 403 {
				t.Errorf("with %v: got %d", header, got.Code)
			}
		}
	}
	if got := ask(New(nil), "POST", "/api/v2/silences", ""); got.Code != 200 {
		t.Errorf("without clients: got %d %s", got.Code, got.Body)
	}
}
