package api

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsinhq/tocsin/core/ack"
	"github.com/tocsinhq/tocsin/core/alert"
)

func TestAcks(t *testing.T) {
	var got Taking
	var fault error
	withdrawn := ""
	acks := Acks{
		All: func() []alert.Ack { return nil },
		Take: func(t Taking) ([]alert.Ack, error) {
			got = t
			return []alert.Ack{{Fingerprint: 7, Owner: t.Owner, FiredAt: noon, At: noon}}, fault
		},
		Withdraw: func(fp alert.Fingerprint, by string) error {
			withdrawn = fp.String() + " by " + by
			return fault
		},
	}
	server := httptest.NewServer(New(Options{Ready: func() error { return nil }, Tocsin: &Tocsin{Acks: acks}}))
	t.Cleanup(server.Close)
	const path = "/api/tocsin/v1/acks"
	for _, tt := range []struct {
		method, path, body string
		fault              error
		status             int
		want               string
	}{
		{"GET", path, "", nil, 200, `[]`},
		{
			"POST", path, `{"alert":"Slow{a=\"b\"}","group":"{}:{}","owner":"ada","reason":"r","until":"2026-01-01T13:00:00Z"}`, nil, 200,
			`[{"fingerprint":"0000000000000007","labels":{},"firedAt":"2026-01-01T12:00:00Z","owner":"ada","at":"2026-01-01T12:00:00Z"}]`,
		},
		{"POST", path, `{"alert":"Slow"}`, ErrNothing, 404, `"acknowledge: nothing to change"`},
		{"POST", path, `{"alert":"Slow"}`, ack.ErrInvalid, 400, `"acknowledge: invalid acknowledgement"`},
		{"POST", path, `{"alert":"Slow"}`, errors.New("disk full"), 500, `"acknowledge: disk full"`},
		{"POST", path, `{"owner":"ada"}`, nil, 400, `"which alert? Say alert: NAME, NAME{label=\"value\"} or a fingerprint, or group: the key of one"`},
		{"POST", path, `{"alert":"Slow{"}`, nil, 200, ""}, // a name may look like anything
		{"POST", path, `[`, nil, 400, `"decode the body: unexpected EOF"`},
		{"DELETE", path + "/0000000000000007?by=bob", "", nil, 200, `{"status":"success"}`},
		{"DELETE", path + "/0000000000000007", "", ack.ErrNotFound, 404, `"withdraw an acknowledgement: nobody has taken this alert"`},
		{"DELETE", path + "/seven", "", nil, 400, `"read fingerprint: \"seven\" is not 16 hexadecimal digits"`},
	} {
		fault = tt.fault
		status, body := call(t, tt.method, server.URL+tt.path, tt.body)
		if status != tt.status || tt.want != "" && body != tt.want {
			t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
		}
		if tt.status == 200 && tt.want != "" && tt.method == "POST" {
			want := Taking{Alert: Question{Name: "Slow"}, Group: "{}:{}", Owner: "ada", Reason: "r", Until: noon.Add(time.Hour)}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Question{}, "Matchers")); diff != "" || len(got.Alert.Matchers) != 1 {
				t.Errorf("taken (-want +got):\n%s", diff)
			}
		}
	}
	if withdrawn != "0000000000000007 by " {
		t.Errorf("withdrawn %q", withdrawn)
	}
}
