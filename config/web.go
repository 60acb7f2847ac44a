package config

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/crypto/bcrypt"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Web is the web block: who may do what over HTTP, and TLS. Without users and tokens whoever reaches the engine may do
// everything.
type Web struct {
	TLS    *WebTLS // nil: plain HTTP
	Users  []WebUser
	Tokens []WebToken
	Range  Range `json:"-"`
}

// WebTLS is a tls block. The files are read anew for each connection, so that a renewed certificate needs no reload.
type WebTLS struct {
	CertFile     string
	KeyFile      string
	ClientCAFile string // "": clients show no certificates
	ClientAuth   string // as in Prometheus' web configuration: RequireAndVerifyClientCert …
	MinVersion   string // TLS12 or TLS13
}

// WebUser comes with a password.
type WebUser struct {
	Name         string
	PasswordHash string // bcrypt
	Scopes       []string
}

// WebToken comes with a bearer token, of which only the hash is kept.
type WebToken struct {
	Name   string
	SHA256 string // of the token, in hexadecimal
	Scopes []string
}

// webScopes are what a user or token may be allowed.
var webScopes = []string{"read", "alerts", "silence", "admin"}

// leastToken is how long a token must be: one that can be guessed protects nothing.
const leastToken = 16

func scopesAttribute() schema.Attribute {
	return schema.Attribute{
		Name: "scopes", Type: schema.List(schema.String), Required: true, Enum: webScopes,
		Description: "what is allowed: \"read\" to look, \"alerts\" to post alerts, \"silence\" to silence and acknowledge, \"admin\" everything",
	}
}

var (
	webUserSchema = schema.Block{Attributes: []schema.Attribute{
		{Name: "password_hash", Type: schema.String, Required: true, Sensitive: true, Description: "the bcrypt hash of the password, such as `htpasswd -nBC 10 \"\"` prints after the colon"},
		scopesAttribute(),
	}}
	webTokenSchema = schema.Block{Attributes: []schema.Attribute{
		{Name: "value", Type: schema.String, Required: true, Sensitive: true, Description: "what a client sends as \"Authorization: Bearer …\""},
		scopesAttribute(),
	}}
)

func (l *loader) web(engine Engine) (w Web) {
	blocks := l.blocks["web"]
	l.onlyOne(blocks, "Put everything about HTTP into one block.")
	if len(blocks) > 0 {
		block := blocks[0]
		w.Range = rangeOf(headerRange(block))
		b := l.open(block, nil, hcl.BlockHeaderSchema{Type: "tls"},
			hcl.BlockHeaderSchema{Type: "user", LabelNames: []string{"name"}}, hcl.BlockHeaderSchema{Type: "token", LabelNames: []string{"name"}})
		names := map[string]bool{}
		for _, inner := range b.content.Blocks {
			if inner.Type != "tls" {
				if name := inner.Labels[0]; !l.checkName(inner.Type, name, inner.LabelRanges[0], identifier) {
					continue
				} else if names[inner.Type+name] {
					l.errorf(inner.LabelRanges[0], "Duplicate name", "There is a %s %q already.", inner.Type, name)
					continue
				} else {
					names[inner.Type+name] = true
				}
			}
			switch inner.Type {
			case "tls":
				if w.TLS != nil {
					l.errorf(headerRange(inner), "Duplicate block", "One address has one certificate: put everything into one tls block.")
					continue
				}
				w.TLS = l.webTLS(inner)
			case "user":
				if u, ok := l.webUser(inner); ok {
					w.Users = append(w.Users, u)
				}
			case "token":
				if t, ok := l.webToken(inner); ok {
					w.Tokens = append(w.Tokens, t)
				}
			}
		}
	}
	l.warnOfOpenDoors(engine, w)
	return w
}

func (l *loader) webTLS(block *hcl.Block) *WebTLS {
	b := l.open(block, []string{"cert_file", "key_file", "client_ca_file", "client_auth", "min_version"})
	for _, attr := range b.content.Attributes {
		l.show(attr.Expr) // the paths of files are no secrets
	}
	file := func(name string) string {
		if path := b.text(name, ""); path != "" {
			return under(filepath.Dir(block.DefRange.Filename), path)
		}
		return ""
	}
	b.require("cert_file", "the certificate, with those that lead to its authority.")
	b.require("key_file", "the private key of the certificate.")
	t := &WebTLS{
		CertFile: file("cert_file"), KeyFile: file("key_file"), ClientCAFile: file("client_ca_file"),
		ClientAuth: b.oneOf("client_auth", "", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"),
		MinVersion: b.oneOf("min_version", "TLS12", "TLS12", "TLS13"),
	}
	switch verifies := strings.Contains(t.ClientAuth, "Verify"); {
	case verifies && t.ClientCAFile == "":
		l.errorf(b.at("client_auth"), "Missing argument", "%s needs client_ca_file: whose certificates are trusted.", t.ClientAuth)
	case !verifies && t.ClientCAFile != "":
		l.errorf(b.at("client_ca_file"), "Certificates are not verified", "Set client_auth = \"RequireAndVerifyClientCert\", or \"VerifyClientCertIfGiven\".")
	}
	return t
}

func (l *loader) webUser(block *hcl.Block) (WebUser, bool) {
	tree, ok := l.webClient(block, webUserSchema)
	if !ok {
		return WebUser{}, false
	}
	u := WebUser{Name: block.Labels[0], PasswordHash: tree["password_hash"].(secretValue).value.(string), Scopes: scopesOf(tree)}
	if _, err := bcrypt.Cost([]byte(u.PasswordHash)); err != nil {
		l.errorf(headerRange(block), "No bcrypt hash", "password_hash is the bcrypt hash of the password and begins with \"$2\". Not the password itself.")
		return WebUser{}, false
	}
	return u, true
}

func (l *loader) webToken(block *hcl.Block) (WebToken, bool) {
	tree, ok := l.webClient(block, webTokenSchema)
	if !ok {
		return WebToken{}, false
	}
	value := strings.TrimSpace(tree["value"].(secretValue).value.(string)) // of a file there is the end of its line
	if len(value) < leastToken {
		l.errorf(headerRange(block), "Token too short", "A token has at least %d characters: `openssl rand -hex 24` makes one.", leastToken)
		return WebToken{}, false
	}
	sum := sha256.Sum256([]byte(value))
	return WebToken{Name: block.Labels[0], SHA256: hex.EncodeToString(sum[:]), Scopes: scopesOf(tree)}, true
}

// webClient decodes a user or token; it reports false where something that must be there is not.
func (l *loader) webClient(block *hcl.Block, described schema.Block) (map[string]any, bool) {
	inner := body{l: l, block: block, content: l.schemaContent(block, described, nil)}
	tree := l.decodeTree(inner, described, true)
	for _, a := range described.Attributes {
		if a.Required && tree[a.Name] == nil {
			return nil, false
		}
	}
	return tree, true
}

func scopesOf(tree map[string]any) (scopes []string) {
	list := tree["scopes"]
	if s, secret := list.(secretValue); secret {
		list = s.value
	}
	for _, s := range list.([]any) {
		scopes = append(scopes, s.(string))
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// warnOfOpenDoors says what strangers could do.
func (l *loader) warnOfOpenDoors(engine Engine, w Web) {
	host, _, err := net.SplitHostPort(engine.Listen)
	unix := strings.HasPrefix(engine.Listen, "unix:") // its directory says who may
	if err != nil || unix || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return
	}
	at := headerRange(l.blocks["engine"][0]) // it is not the default that listens there
	certified := w.TLS != nil && strings.HasPrefix(w.TLS.ClientAuth, "Require")
	switch {
	case len(w.Users)+len(w.Tokens) == 0 && !certified:
		l.warnf(at, "Anybody may silence", "Whoever reaches %s may silence every alert. Listen on 127.0.0.1, or add users or tokens to a web block.", engine.Listen)
	case len(w.Users)+len(w.Tokens) > 0 && w.TLS == nil:
		l.warnf(at, "Secrets travel in the clear", "Passwords and tokens can be read on their way to %s. Add a tls block to web, or put a proxy in front that speaks TLS.", engine.Listen)
	}
}
