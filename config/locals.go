package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// localGraph evaluates local values after those that they refer to.
type localGraph struct {
	l      *loader
	attrs  map[string]*hcl.Attribute
	values map[string]cty.Value
	state  map[string]visit
	path   []string // what is being resolved, from the outside in
}

type visit uint8

const (
	unvisited visit = iota
	inProgress
	done
)

// localValues reads all locals blocks, which are evaluated together.
func (l *loader) localValues() *localGraph {
	g := &localGraph{l: l, attrs: map[string]*hcl.Attribute{}, values: map[string]cty.Value{}, state: map[string]visit{}}
	declared := map[string]hcl.Range{}
	for _, b := range l.blocks["locals"] {
		attrs, diags := b.Body.JustAttributes()
		l.report(diags...)
		for name, attr := range attrs {
			first, taken := declared[name]
			if taken && precedes(attr.NameRange, first) { // maps have no order: the later one is the duplicate
				declared[name], g.attrs[name] = attr.NameRange, attr
				first, attr = attr.NameRange, &hcl.Attribute{NameRange: first}
			}
			if taken {
				l.errorf(attr.NameRange, "Duplicate local value", "local.%s is already defined at %s:%d.", name, first.Filename, first.Start.Line)
				continue
			}
			declared[name], g.attrs[name] = attr.NameRange, attr
		}
	}
	l.declared["locals"] = declared
	l.values["local"] = cty.EmptyObjectVal
	return g
}

// resolveEarly evaluates what depends on no notifier, and returns the names of those that do.
func (g *localGraph) resolveEarly() (late map[string]bool) {
	late = map[string]bool{}
	needs := map[string][]string{} // who refers to a local value
	var found []string
	for name, attr := range g.attrs {
		for _, t := range attr.Expr.Variables() {
			needed, _ := step(t, 1)
			switch t.RootName() {
			case "notifier":
				found = append(found, name)
			case "local":
				needs[needed] = append(needs[needed], name)
			}
		}
	}
	for len(found) > 0 {
		name := found[0]
		found = found[1:]
		if !late[name] {
			late[name] = true
			found = append(found, needs[name]...)
		}
	}
	for _, name := range g.l.names("locals") {
		if !late[name] {
			g.resolve(name)
		}
	}
	g.l.values["local"] = cty.ObjectVal(g.values)
	return late
}

// resolveAll evaluates what is left.
func (g *localGraph) resolveAll() {
	for _, name := range g.l.names("locals") {
		g.resolve(name)
	}
	g.l.values["local"] = cty.ObjectVal(g.values)
}

func precedes(a, b hcl.Range) bool {
	return a.Filename == b.Filename && a.Start.Byte < b.Start.Byte
}

// resolve evaluates one local value, first those that it needs.
func (g *localGraph) resolve(name string) {
	switch g.state[name] {
	case done:
		return
	case inProgress:
		g.reportCycle(name)
		return
	}
	g.state[name] = inProgress
	g.path = append(g.path, name)
	defer func() { g.path = g.path[:len(g.path)-1] }()
	attr := g.attrs[name]
	if len(g.path) > maxOperators {
		g.l.errorf(attr.NameRange, "Nesting too deep", "A chain of more than %d local values refer to each other.", maxOperators)
		g.fail(name)
		return
	}
	for _, t := range attr.Expr.Variables() {
		if t.RootName() != "local" {
			continue
		}
		if needed, ok := step(t, 1); ok && g.attrs[needed] != nil {
			g.resolve(needed)
		}
	}
	if g.l.unset["local."+name] { // part of a cycle
		g.state[name] = done
		return
	}
	g.l.values["local"] = cty.ObjectVal(g.values)
	value, ok := g.l.eval(attr.Expr)
	if !ok {
		g.fail(name)
		return
	}
	g.values[name] = value
	g.state[name] = done
}

func (g *localGraph) fail(name string) {
	g.l.unset["local."+name] = true
	g.state[name] = done
}

// reportCycle complains about the way from a name back to itself, once.
func (g *localGraph) reportCycle(name string) {
	start := 0
	for i, n := range g.path {
		if n == name {
			start = i
		}
	}
	cycle := g.path[start:]
	for _, n := range cycle {
		g.l.unset["local."+n] = true
	}
	g.l.errorf(g.attrs[name].NameRange, "Cycle", "local.%s needs itself: local.%s.", name, strings.Join(append(append([]string{}, cycle...), name), " -> local."))
}
