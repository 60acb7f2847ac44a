package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// hash identifies the resolved configuration. Ranges are no part of it, so that moving or commenting a block changes
// nothing; of settings it takes the digests, in which secrets are hashed with the place they stand in as the key.
func (l *loader) hash(cfg *Config) string {
	c := *cfg
	c.Hash, c.Secrets = "", nil
	c.Sources, c.Notifiers = slices.Clone(c.Sources), slices.Clone(c.Notifiers)
	c.Rules, c.Overrides = slices.Clone(c.Rules), slices.Clone(c.Overrides)
	for i := range c.Sources {
		s := &c.Sources[i]
		s.Settings, s.Secrets = l.digestOf("source."+s.Kind+"."+s.Name), nil
		s.Discoveries = slices.Clone(s.Discoveries)
		for k := range s.Discoveries {
			s.Discoveries[k].Settings = nil // in the digest of the source
		}
	}
	for i := range c.Notifiers {
		n := &c.Notifiers[i]
		n.Settings, n.Secrets = l.digestOf("notifier."+n.Ref()), nil
	}
	for i := range c.Rules {
		c.Rules[i].Params = l.digestOf("rule." + c.Rules[i].Name)
	}
	for i := range c.Overrides {
		c.Overrides[i].Params = l.digestOf(fmt.Sprintf("override.%s.%d", c.Overrides[i].Rule, i))
	}
	data, err := json.Marshal(c)
	if err != nil { // nothing in a Config fails to encode
		panic(fmt.Sprintf("config: hash: %v", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (l *loader) digestOf(address string) json.RawMessage {
	data, _ := json.Marshal(l.digests[address])
	return data
}
