// Package plugin is what source and notifier plugins have in common: the process, its handshake with the engine, the
// instances inside it. Authors need only sdk/source or sdk/notifier; those who write another engine, or a test of a
// plugin, find the two ends of the wire here.
package plugin

import (
	"context"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Info says which plugin this is.
type Info struct {
	Name    string // the kind, as configurations spell it: "http"
	Version string
}

// Role is what a plugin is for.
type Role string

// The roles. They are also the first word of a plugin's block and the middle of its file name.
const (
	RoleSource   Role = "source"
	RoleNotifier Role = "notifier"
)

// Instance is what sources and notifiers have in common: one configured block. An instance that has a method
// Close() error is told when it is no longer needed.
type Instance interface {
	Schema() schema.Block
	Configure(ctx context.Context, config []byte) error
}

// What both ends of the wire must agree on.
const (
	CookieKey       = "TOCSIN_PLUGIN"                        // says "you were started by Tocsin"; no security
	CookieValue     = "8f7c1b1e-5a7e-4c0e-9f0b-2d8f0a5f6c31" // any fixed value
	ProtocolVersion = 1
	MaxMessage      = 8 << 20             // bytes of one message, in both directions
	LogLevelEnv     = "TOCSIN_PLUGIN_LOG" // "debug" or "info"
)

// Handshake is go-plugin's name for the cookie.
func Handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{MagicCookieKey: CookieKey, MagicCookieValue: CookieValue}
}
