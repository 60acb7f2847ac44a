package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/prometheus/prometheus/model/labels"
)

// Change is a block that one configuration has and another has not, or has otherwise.
type Change struct {
	What  ChangeKind `json:"what"`
	Block string     `json:"block"`           // its type: rule
	Name  string     `json:"name,omitempty"`  // of a source http.gateway, of a route the matchers on the way to it; "" for the root
	Parts []string   `json:"parts,omitempty"` // of a changed block: the arguments and blocks in it that differ, sorted; no values
}

// ChangeKind is what happened to a block.
type ChangeKind string

// The kinds of changes.
const (
	Added   ChangeKind = "added"
	Changed ChangeKind = "changed"
	Removed ChangeKind = "removed"
)

// String is the change as a line for people.
func (c Change) String() string {
	text := string(c.What) + " " + c.Block
	if c.Name != "" {
		text += " " + c.Name
	}
	if len(c.Parts) > 0 {
		text += ": " + strings.Join(c.Parts, ", ")
	}
	return text
}

// Diff lists what is different in another configuration: by decoded values, not by text, and without any value. Blocks are
// the same by type and name; routes by the matchers on the way to them, inhibitions by all they say.
func Diff(before, after *Config) (all []Change) {
	all = append(all, diff("engine", []Engine{before.Engine}, []Engine{after.Engine}, func(Engine) string { return "" })...)
	all = append(all, diff("web", []Web{before.Web}, []Web{after.Web}, func(Web) string { return "" })...)
	all = append(all, diff("module", before.Modules, after.Modules, func(m Module) string { return m.Name })...)
	all = append(all, diff("plugin", before.Plugins, after.Plugins, func(p Plugin) string { return p.What + "." + p.Name })...)
	all = append(all, diff("source", before.Sources, after.Sources, func(s Source) string { return s.Kind + "." + s.Name })...)
	all = append(all, diff("rule", before.Rules, after.Rules, func(r Rule) string { return r.Name })...)
	all = append(all, diff("override", before.Overrides, after.Overrides, func(o Override) string { return o.Rule + " " + selectorText(o.Matchers) })...)
	all = append(all, order("override", overrideNames(before), overrideNames(after))...)
	all = append(all, diff("notifier", before.Notifiers, after.Notifiers, Notifier.Ref)...)
	all = append(all, diffRoutes(before.Route, after.Route)...)
	all = append(all, diff("inhibit", before.Inhibits, after.Inhibits, inhibitText)...)
	all = append(all, diff("schedule", before.Schedules, after.Schedules, func(s Schedule) string { return s.Name })...)
	all = append(all, diff("silence", before.Silences, after.Silences, func(s Silence) string { return s.Name })...)
	return append(all, diff("heartbeat", before.Heartbeats, after.Heartbeats, func(h Heartbeat) string { return h.Name })...)
}

// diff compares the blocks of one type.
func diff[T any](block string, before, after []T, name func(T) string) (all []Change) {
	old := map[string]T{}
	for _, b := range before {
		old[name(b)] = b
	}
	there := map[string]bool{}
	for _, b := range after {
		n := name(b)
		there[n] = true
		was, known := old[n]
		switch parts := differences(was, b); {
		case !known:
			all = append(all, Change{What: Added, Block: block, Name: n})
		case len(parts) > 0:
			all = append(all, Change{What: Changed, Block: block, Name: n, Parts: parts})
		}
	}
	for _, b := range before {
		if n := name(b); !there[n] {
			all = append(all, Change{What: Removed, Block: block, Name: n})
		}
	}
	return all
}

// order tells whether those that are in both lists stand in another order.
func order(block string, before, after []string) []Change {
	common := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !slices.Contains(other, n) })
	}
	if slices.Equal(common(before, after), common(after, before)) {
		return nil
	}
	return []Change{{What: Changed, Block: block, Parts: []string{"order"}}}
}

func overrideNames(cfg *Config) (names []string) {
	for _, o := range cfg.Overrides {
		names = append(names, o.Rule+" "+selectorText(o.Matchers))
	}
	return names
}

// diffRoutes compares route trees.
func diffRoutes(before, after *Route) []Change {
	old, oldNames := flatten(before, "")
	now, names := flatten(after, "")
	name := func(r namedRoute) string { return r.name }
	return append(diff("route", old, now, name), order("route", oldNames, names)...)
}

// namedRoute is a route without those in it.
type namedRoute struct {
	name string
	Route
}

// flatten lists a tree of routes, parents first. Of several with the same matchers, those after the first are numbered.
func flatten(r *Route, name string) (all []namedRoute, names []string) {
	alone := *r
	alone.Routes = nil
	all, names = []namedRoute{{name, alone}}, []string{name}
	seen := map[string]int{}
	for _, inner := range r.Routes {
		text := strings.TrimSpace(name + " " + selectorText(inner.Matchers))
		if seen[text]++; seen[text] > 1 {
			text += fmt.Sprintf(" #%d", seen[text])
		}
		list, itsNames := flatten(inner, text)
		all, names = append(all, list...), append(names, itsNames...)
	}
	return all, names
}

func inhibitText(i Inhibit) string {
	text := selectorText(i.Source) + " over " + selectorText(i.Target)
	if len(i.Equal) > 0 {
		text += " where equal " + strings.Join(i.Equal, ", ")
	}
	return text
}

// selectorText writes matchers as {severity="critical"}.
func selectorText(matchers []*labels.Matcher) string {
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	return "{" + strings.Join(texts, ", ") + "}"
}

// differences names what differs between two blocks, by the names of the language.
func differences(before, after any) (parts []string) {
	old, now := fields(before), fields(after)
	for field := range now {
		if bytes.Equal(old[field], now[field]) {
			continue
		}
		switch field {
		case "Key", "Secrets":
		case "Settings":
			parts = append(parts, differentKeys("", old[field], now[field])...)
		case "Params":
			parts = append(parts, differentKeys("params.", old[field], now[field])...)
		default:
			parts = append(parts, argument(field))
		}
	}
	slices.Sort(parts)
	return parts
}

// differentKeys names what differs between two JSON objects.
func differentKeys(prefix string, before, after json.RawMessage) (parts []string) {
	var old, now map[string]json.RawMessage
	_, _ = json.Unmarshal(before, &old), json.Unmarshal(after, &now)
	all := maps.Clone(old)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	maps.Copy(all, now)
	for key := range all {
		if !bytes.Equal(old[key], now[key]) {
			parts = append(parts, prefix+key)
		}
	}
	return parts
}

// fields are the fields of a block, encoded.
func fields(block any) (all map[string]json.RawMessage) {
	data, err := json.Marshal(block)
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil { // nothing in a Config fails to encode
		panic(fmt.Sprintf("config: compare blocks: %v", err))
	}
	return all
}

// argument is what the language calls a field.
func argument(field string) string {
	switch field {
	case "Matchers":
		return "match"
	case "Inputs":
		return "input"
	case "PromQL":
		return "promql"
	case "SHA256", "TLS":
		return strings.ToLower(field)
	case "Users":
		return "user"
	case "Tokens":
		return "token"
	case "PluginDirs":
		return "plugin_dir"
	case "ModuleDirs":
		return "module_dir"
	case "ExternalURL":
		return "external_url"
	case "Lookback":
		return "lookback_delta"
	case "Discoveries":
		return "how targets are found"
	}
	var name strings.Builder
	for i, r := range field {
		if unicode.IsUpper(r) && i > 0 {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}
