package outbound

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A service, or a proxy before it, may print what it was sent. None of that may come back to people.
func TestEchoedSecretsDoNotShow(t *testing.T) {
	const (
		key      = `R0123456789/abc"def&ghi`
		password = "pässw0rd<>"
		token    = "xoxb-1234-5678"
	)
	c := client(t, HTTP{BasicAuth: &BasicAuth{Username: "u", Password: password}, Headers: map[string]string{"X-Key": token}}, 0)
	quoted, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	const path = "/services/T0000000001/B0000000002/XXXXXXXXXXXXXXXXXXXXXXXX"
	for name, echo := range map[string]string{
		"plain":           "bad key " + key,
		"JSON":            `{"error":` + string(quoted) + `}`,
		"slashes escaped": strings.ReplaceAll(key, "/", `\/`),
		"query":           "q=" + url.QueryEscape(key),
		"password":        password,
		"token":           "header X-Key: " + token,
		"basic":           "Authorization: Basic dTpww6Rzc3cwcmQ8Pg==",
		"path":            "404 for " + path,
		"part of path":    "no such hook XXXXXXXXXXXXXXXXXXXXXXXX",
		"folded":          "bad\nkey:\t" + key + "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(strings.Repeat(echo+" ", 30)))
			})
			answer, err := c.Post(t.Context(), Call{URL: address + path, Secrets: append(URLSecrets(address+path), key)})
			if err != nil {
				t.Fatal(err)
			}
			detail := answer.Result("").Detail
			for _, secret := range []string{key, "0123456789", "def", password, "ssw0rd", token, "5678", "dTpw", "XXXX", "B000"} {
				if strings.Contains(detail, secret) {
					t.Errorf("%q shows %q", detail, secret)
				}
			}
			if !strings.Contains(detail, Redacted) {
				t.Errorf("%q: nothing was taken out", detail)
			}
		})
	}
}

func TestURLSecrets(t *testing.T) {
	clean := newRedactor(URLSecrets("https://user:hunter22@h.example/a/0123456789abcdef/b?key=topsecret&n=1")).clean
	for in, want := range map[string]string{
		"https://user:hunter22@h.example/a/0123456789abcdef/b?key=topsecret&n=1": Redacted,
		"POST /a/0123456789abcdef/b?key=topsecret&n=1 failed":                    "POST " + Redacted + " failed",
		"no 0123456789abcdef here":                                               "no " + Redacted + " here",
		"key topsecret, password hunter22":                                       "key " + Redacted + ", password " + Redacted,
		"a service at h.example said b":                                          "a service at h.example said b",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
