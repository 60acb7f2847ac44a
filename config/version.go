package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Version identifies what blocks ask for: it is the same for those whose decoded values are the same, wherever and in
// whatever words they stand. Secrets count without protection, so it is for comparing in memory and never to be shown.
func Version(blocks ...any) string {
	data, err := json.Marshal(blocks)
	if err != nil { // nothing in a Config fails to encode
		panic(fmt.Sprintf("config: version: %v", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
