package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate for the loopback address and its key, and returns whom to trust then.
func certify(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for name, data := range map[string][]byte{
		"server.pem": trusted, "server.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	return pool
}

// The API speaks TLS, knows who asks and what they may; a renewed certificate is served from the next connection on.
func TestWeb(t *testing.T) {
	t.Parallel()
	const admin, looking = "0123456789abcdef-admin", "0123456789abcdef-looking"
	gateway, pager := newGateway(t), newPager(t)
	dir := writeConfig(t, pipeline(gateway, pager, `
variable "admin_token" {
  sensitive = true
  default   = "`+admin+`"
}
web {
  tls {
    cert_file = "server.pem"
    key_file  = "server.key"
  }
  token "admin" {
    value  = var.admin_token
    scopes = ["admin"]
  }
  token "looking" {
    value  = "`+looking+`"
    scopes = ["read"]
  }
}`))
	trusted := certify(t, dir, 1)
	engine := start(t, dir)
	address := strings.TrimPrefix(engine.address(t), "http://")

	ask := func(trusted *x509.CertPool, method, path, token, body string) (int, string, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: true}}
		request, err := http.NewRequestWithContext(t.Context(), method, "https://"+address+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		request.Header.Set("Content-Type", "application/json")
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = response.Body.Close() }()
		answer, err := io.ReadAll(response.Body)
		return response.StatusCode, string(answer), err
	}
	silence := `{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2030-01-01T00:00:00Z","endsAt":"2030-01-02T00:00:00Z","createdBy":"me","comment":"why"}`
	for _, c := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "/-/ready", "", 200},
		{"GET", "/api/v2/alerts", "", 401},
		{"GET", "/api/v2/alerts", "0123456789abcdef-guessed", 401},
		{"GET", "/api/v2/alerts", looking, 200},
		{"POST", "/api/v2/silences", looking, 403},
		{"POST", "/api/v2/silences", admin, 200},
	} {
		status, answer, err := ask(trusted, c.method, c.path, c.token, silence)
		if err != nil || status != c.want {
			t.Errorf("%s %s with %q: got %d %s (%v), want %d", c.method, c.path, c.token, status, answer, err, c.want)
		}
	}
	tokenFile, ca := filepath.Join(t.TempDir(), "token"), filepath.Join(dir, "server.pem")
	if err := os.WriteFile(tokenFile, []byte(looking+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"receiver list -token-file " + tokenFile + " -ca-file " + ca, 0, "pagerduty.oncall"},
		{"silence add -c x a=b -token-file " + tokenFile + " -ca-file " + ca, 1, `needs the scope "silence"`},
		{"receiver list -ca-file " + ca, 1, "does not know who asks"},
		{"receiver list -token-file " + tokenFile, 1, "certificate"},
	} {
		out, code := engine.ask(t, append(strings.Fields(c.args), "-addr", "https://"+address)...)
		if code != c.code || !strings.Contains(out, c.says) || strings.Contains(out, looking) {
			t.Errorf("tocsin %s: exit %d, want %d and %q:\n%s", c.args, code, c.code, c.says, out)
		}
	}
	renewed := certify(t, dir, 2)
	if status, _, err := ask(renewed, "GET", "/-/ready", "", ""); err != nil || status != 200 {
		t.Errorf("with the renewed certificate: got %d, %v", status, err)
	}
	if _, _, err := ask(trusted, "GET", "/-/ready", "", ""); err == nil {
		t.Error("the old certificate is still served")
	}
	engine.stop(t)
	for _, secret := range []string{admin, looking} {
		if strings.Contains(engine.log.String(), secret) {
			t.Errorf("the log tells the token %s", secret)
		}
	}
}
