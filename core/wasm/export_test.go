package wasm

import "context"

// Compiled is how many modules are compiled.
func (h *Host) Compiled() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.mu.code)
}

// NewOn is New on a machine that runs guest code in this way: "compiler" or "interpreter".
func NewOn(ctx context.Context, opts Options, engine string) (*Host, error) {
	return open(ctx, opts, engine)
}

// Surface lists what a module may import, with signatures.
func Surface() (lines []string) {
	for _, m := range surface() {
		for _, f := range m.funcs {
			s := f.signature()
			lines = append(lines, m.name+"."+s.Name+" ("+s.Params+") -> ("+s.Results+")")
		}
	}
	return lines
}
