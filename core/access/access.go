// Package access knows who may do what over HTTP: users with passwords, clients with bearer tokens, and what each of them
// is allowed. It decides before a request reaches anything else.
package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// Client is somebody who may do something.
type Client struct {
	Name   string
	Scopes []Scope

	// One of them: a user has a password, whose bcrypt hash this is; everybody else a token, whose SHA-256 this is, in
	// hexadecimal.
	PasswordHash string
	TokenSHA256  string
}

func (c *Client) String() string {
	if c.PasswordHash != "" {
		return fmt.Sprintf("user %q", c.Name)
	}
	return fmt.Sprintf("token %q", c.Name)
}

// may tells whether a scope is allowed.
func (c *Client) may(s Scope) bool {
	return s == Open || slices.Contains(c.Scopes, s) || slices.Contains(c.Scopes, Admin)
}

// Guard lets requests through or not.
type Guard struct {
	users  map[string]*Client // by name
	tokens []*Client
	basic  bool // somebody may come with a password
	origin *http.CrossOriginProtection

	mu struct {
		sync.Mutex                   // one password is tried at a time: bcrypt is made to be slow
		known      map[[32]byte]bool // pairs of password and hash that fit
	}
}

// mostKnown bounds how many pairs are remembered; there is one for each user.
const mostKnown = 1024

// decoy is compared with where there is no such user, so that the time that it takes does not tell. It is the hash of a
// password that nobody has.
const decoy = "$2a$10$wo/JuC6t6JojeUGfE/IUruj0BZduCpVUpE72nv1V8RJVIO3vgqwL."

// New makes a guard. Without clients it lets everything through that does not come from another site's page in a browser.
func New(clients []Client) *Guard {
	g := &Guard{users: map[string]*Client{}, origin: http.NewCrossOriginProtection()}
	g.mu.known = map[[32]byte]bool{}
	for i := range clients {
		if c := &clients[i]; c.PasswordHash != "" {
			g.users[c.Name] = c
			g.basic = true
		} else {
			g.tokens = append(g.tokens, c)
		}
	}
	return g
}

// Handler guards a handler. A request without a name that is known is answered 401, one that its sender may not make 403.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.origin.Check(r); err != nil {
			http.Error(w, "This request comes from a page of another site, in a browser. Such requests may change nothing here.", http.StatusForbidden)
			return
		}
		needed := Needed(r)
		if needed == Open || len(g.users)+len(g.tokens) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		client := g.client(r)
		switch {
		case client == nil:
			g.challenge(w)
		case !client.may(needed):
			http.Error(w, fmt.Sprintf("%v may not do this: it needs the scope %q. Scopes are given in the configuration's web block.", client, needed), http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (g *Guard) challenge(w http.ResponseWriter) {
	w.Header().Add("WWW-Authenticate", "Bearer")
	if g.basic {
		w.Header().Add("WWW-Authenticate", `Basic realm="Tocsin"`)
	}
	http.Error(w, "Tocsin does not know who asks: send a user's password or a bearer token that the configuration's web block names.", http.StatusUnauthorized)
}

// client is who sent the request; nil for a stranger.
func (g *Guard) client(r *http.Request) *Client {
	if name, password, ok := r.BasicAuth(); ok {
		return g.user(name, password)
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(token))
	given := []byte(hex.EncodeToString(sum[:]))
	for _, c := range g.tokens {
		if subtle.ConstantTimeCompare(given, []byte(c.TokenSHA256)) == 1 {
			return c
		}
	}
	return nil
}

// user is the user of that name, if the password is right.
func (g *Guard) user(name, password string) *Client {
	c := g.users[name]
	hash := decoy
	if c != nil {
		hash = c.PasswordHash
	}
	pair := sha256.Sum256([]byte(hash + "\x00" + password))
	g.mu.Lock()
	defer g.mu.Unlock()
	if c != nil && g.mu.known[pair] {
		return c
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil || c == nil {
		return nil
	}
	if len(g.mu.known) >= mostKnown {
		clear(g.mu.known)
	}
	g.mu.known[pair] = true
	return c
}
