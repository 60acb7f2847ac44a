package config

import (
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns the source in canonical form: spaces and alignment only. A source with syntax errors is returned as it
// is, with diagnostics. JSON has no canonical form here and is returned as it is.
func Format(src []byte, filename string) ([]byte, Diagnostics) {
	if isJSON(filename) {
		return src, nil
	}
	l := newLoader(Options{})
	f := &file{name: filename, src: src, block: func(int) string { return "" }}
	l.files[filename], l.order = f, []string{filename}
	l.parse(f)
	if diags := l.finish(); diags.HasErrors() {
		return src, diags
	}
	return hclwrite.Format(src), nil
}
