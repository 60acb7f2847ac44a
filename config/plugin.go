package config

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"
)

// Plugin is a plugin block: what is allowed to a third-party plugin.
type Plugin struct {
	What   string // "source" or "notifier"
	Name   string // the kind
	SHA256 string // 64 lower case hexadecimal digits, "": not checked
	Env    []string
	Range  Range `json:"-"`
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (l *loader) plugins() (all []Plugin) {
	for _, block := range l.blocks["plugin"] {
		if !l.isFirst(block, block.Labels[0]+"."+block.Labels[1]) {
			continue
		}
		if what := block.Labels[0]; what != "source" && what != "notifier" {
			l.errorf(block.LabelRanges[0], "Unknown plugin type", "A plugin is a \"source\" or a \"notifier\", not %q.%s", what, suggestion(what, []string{"source", "notifier"}))
			continue
		}
		if !l.checkName("plugin", block.Labels[1], block.LabelRanges[1], identifier) {
			continue
		}
		all = append(all, l.plugin(block))
	}
	return all
}

func (l *loader) plugin(block *hcl.Block) Plugin {
	b := l.open(block, []string{"sha256", "env"})
	p := Plugin{What: block.Labels[0], Name: block.Labels[1], SHA256: l.sha256(b), Range: rangeOf(headerRange(block))}
	items, _ := b.list("env")
	for _, i := range items {
		if !envName.MatchString(i.text) {
			l.errorf(i.expr.Range(), "Invalid environment variable", "env is a list of names such as \"HTTPS_PROXY\", without values.")
			continue
		}
		p.Env = append(p.Env, i.text)
	}
	return p
}
