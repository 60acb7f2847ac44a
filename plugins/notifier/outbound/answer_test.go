package outbound

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, value, date string
		want              time.Duration
	}{
		{"none", "", "", 0},
		{"seconds", "30", "", 30 * time.Second},
		{"part of a second", "0.5", "", 500 * time.Millisecond},
		{"zero", "0", "", 0},
		{"negative", "-5", "", 0},
		{"too long", "99999999999999999999", "", maxRetryAfter},
		{"infinite", "Inf", "", maxRetryAfter},
		{"not a number", "NaN", "", 0},
		{"rubbish", "soon", "", 0},
		{"date by the service's clock", date.Add(time.Minute).Format(http.TimeFormat), date.Format(http.TimeFormat), time.Minute},
		{"date that has passed", date.Add(-time.Minute).Format(http.TimeFormat), date.Format(http.TimeFormat), 0},
		{"date far away", date.AddDate(5, 0, 0).Format(http.TimeFormat), date.Format(http.TimeFormat), maxRetryAfter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Answer{Header: http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}}
			if got := a.RetryAfter(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(42 * time.Second).UTC().Format(http.TimeFormat)
		if got := (Answer{Header: http.Header{"Retry-After": {at}}}).RetryAfter(); got != 42*time.Second {
			t.Errorf("date by our clock: %s", got)
		}
	})
}

func TestRedirectNamesTheHostOnly(t *testing.T) {
	a := Answer{Status: 302, Header: http.Header{"Location": {"https://login.example.org/secret/0123456789?x=y"}}}
	if got, want := a.Result("<html>").Detail, "302 Found: redirected to host login.example.org, which is not followed: configure the final address"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
