package wasm

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/tocsinhq/tocsin/core/wasm/pack"
)

// WithManifest returns a module with its manifest in the custom section for it, where a configuration is checked against it
// without running any code. A module that has none there is asked for it, once, in the sandbox.
func (h *Host) WithManifest(ctx context.Context, name string, code []byte) (packed []byte, err error) {
	m, err := h.Load(ctx, name, code, Limits{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close(ctx)) }()
	manifest, err := json.Marshal(m.Manifest())
	if err != nil {
		return nil, err
	}
	return pack.Attach(code, manifest)
}
