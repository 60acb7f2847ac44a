package alert_test

import (
	"fmt"
	"testing"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Fingerprints are stored: they are the hash of identity and rule name, whatever it takes to compute them.
func TestFingerprintIsTheHashOfIdentityAndRule(t *testing.T) {
	many := map[string]string{}
	for i := range 40 {
		many[fmt.Sprintf("label_%d", i)] = "v"
	}
	for name, identity := range map[string]map[string]string{
		"none":         {},
		"before":       {"Zone": "a"},
		"after":        {"endpoint": "/critical/api"},
		"around":       {"a": "1", "endpoint": "/critical/api"},
		"replaced":     {"a": "1", "alertname": "of a guest", "endpoint": "/"},
		"only that":    {"alertname": "of a guest"},
		"many of them": many,
	} {
		set := frame.FromMap(identity)
		want := alert.Fingerprint(set.With(frame.Label{Name: "alertname", Value: "HighErrors"}).Hash())
		if got := alert.NewFingerprint("HighErrors", set); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if !set.Equal(frame.FromMap(identity)) {
			t.Errorf("%s: the identity was changed", name)
		}
	}
}
