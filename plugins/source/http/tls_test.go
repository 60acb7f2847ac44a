package httpsource

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority makes certificates for a test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) *authority {
	a := &authority{dir: dir}
	a.cert, a.key = a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue writes NAME.crt and NAME.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	ca.issue(t, "server", &x509.Certificate{DNSNames: []string{"gateway.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	ca.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(ca.cert)
	start := func(auth tls.ClientAuthType) *httptest.Server {
		server := httptest.NewUnstartedServer(text("a 1\n"))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: trusted, ClientAuth: auth, MinVersion: tls.VersionTLS12}
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	plain, mutual := start(tls.NoClientCert), start(tls.RequireAndVerifyClientCert)
	const caFile, name, pairFiles = `"ca_file":"DIR/ca.crt"`, `"server_name":"gateway.test"`, `"cert_file":"DIR/client.crt","key_file":"DIR/client.key"`
	for _, c := range []struct {
		name   string
		server *httptest.Server
		tls    string
		want   string
	}{
		{"trusted", plain, caFile + "," + name, ""},
		{"unknown authority", plain, name, "certificate"},
		{"wrong name", plain, caFile + `,"server_name":"other.test"`, "gateway.test"},
		{"no name", plain, caFile, "certificate"},
		{"not verified", plain, `"insecure_skip_verify":true`, ""},
		{"too new", plain, caFile + "," + name + `,"max_version":"TLS11"`, "tls"},
		{"mutual", mutual, caFile + "," + name + "," + pairFiles, ""},
		{"mutual without certificate", mutual, caFile + "," + name, "certificate required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := configured(t, strings.ReplaceAll(`{"scheme":"https","tls":{`+c.tls+`}}`, "DIR", dir))
			_, err := collect(t, s, address(c.server))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestProxy(t *testing.T) {
	target := serve(t, text("a 1\n"))
	var asked atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		text("through_proxy 1\n")(w, r)
	})
	s := configured(t, fmt.Sprintf(`{"proxy_url":%q}`, proxy.URL))
	if got := shown(mustCollect(t, s, address(target)).Frame); got != "through_proxy{} 1\n" || asked.Load() != target.URL+"/metrics" {
		t.Errorf("%s asked for %v", got, asked.Load())
	}
	s = configured(t, fmt.Sprintf(`{"proxy_url":%q,"no_proxy":"127.0.0.0/8"}`, proxy.URL))
	if got := shown(mustCollect(t, s, address(target)).Frame); got != "a{} 1\n" {
		t.Error(got)
	}
}

func TestOAuth2(t *testing.T) {
	issuer := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "me" || secret != "geheim" || r.FormValue("scope") != "read" || r.FormValue("aud") != "x" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"tok","token_type":"Bearer","expires_in":3600}`))
	})
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer tok" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		text("a 1\n")(w, r)
	})
	config := `{"oauth2":{"client_id":"me","client_secret":%q,"token_url":%q,"scopes":["read"],"endpoint_params":{"aud":"x"}}}`
	mustCollect(t, configured(t, fmt.Sprintf(config, "geheim", issuer.URL)), address(target))
	_, err := collect(t, configured(t, fmt.Sprintf(config, "falsch", issuer.URL)), address(target))
	if err == nil || strings.Contains(err.Error(), "falsch") {
		t.Error(err)
	}
}

// TestConnectionReused: scrapes of a target share a connection, compressed or not, good or not.
func TestConnectionReused(t *testing.T) {
	var opened atomic.Int32
	for _, gzipped := range []bool{true, false} {
		opened.Store(0)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/bad" {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			page := bytes.Repeat([]byte("# a comment\n"), 10000)
			w.Header().Set("Content-Type", contentTypes[promText])
			if gzipped {
				w.Header().Set("Content-Encoding", "gzip")
				page = pack(page)
			}
			for ; len(page) > 0; page = page[min(len(page), 999):] {
				_, _ = w.Write(page[:min(len(page), 999)])
				w.(http.Flusher).Flush()
			}
		}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		s := configured(t, `{}`)
		for range 3 {
			mustCollect(t, s, address(server))
			if _, err := collect(t, s, server.URL+"/bad"); err == nil {
				t.Error("503 accepted")
			}
		}
		_ = s.Close()
		server.Close()
		if n := opened.Load(); n != 1 {
			t.Errorf("gzip %v: %d connections", gzipped, n)
		}
	}
}
