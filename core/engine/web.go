package engine

import (
	"crypto/tls"
	"fmt"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/access"
)

// guard decides who may ask the engine what.
func guard(w config.Web) *access.Guard {
	var clients []access.Client
	for _, u := range w.Users {
		clients = append(clients, access.Client{Name: u.Name, PasswordHash: u.PasswordHash, Scopes: scopes(u.Scopes)})
	}
	for _, t := range w.Tokens {
		clients = append(clients, access.Client{Name: t.Name, TokenSHA256: t.SHA256, Scopes: scopes(t.Scopes)})
	}
	return access.New(clients)
}

func scopes(names []string) (all []access.Scope) {
	for _, name := range names {
		all = append(all, access.Scope(name))
	}
	return all
}

// tlsConfig is how the engine speaks TLS; nil if it does not. The files are read again for each connection.
func tlsConfig(w config.Web) (*tls.Config, error) {
	if w.TLS == nil {
		return nil, nil
	}
	least := web.TLSVersion(tls.VersionTLS12)
	if w.TLS.MinVersion == "TLS13" {
		least = web.TLSVersion(tls.VersionTLS13)
	}
	c, err := web.ConfigToTLSConfig(&web.TLSConfig{
		TLSCertPath: w.TLS.CertFile, TLSKeyPath: w.TLS.KeyFile,
		ClientCAs: w.TLS.ClientCAFile, ClientAuth: w.TLS.ClientAuth, MinVersion: least,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: tls: %w", w.Range, err)
	}
	return c, nil
}
