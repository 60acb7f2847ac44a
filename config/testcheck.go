package config

import "slices"

// Check complains about names in a test that no version of the configuration has with which it is played.
func (t *Test) Check(versions ...*Config) Diagnostics {
	known := map[string][]string{} // by what they name; targets by their source
	finds := map[string]bool{}     // sources that find targets of any name
	for _, cfg := range versions {
		for _, s := range cfg.Sources {
			name := s.Kind + "." + s.Name
			known["source"] = append(known["source"], name)
			known["target of "+name] = append(known["target of "+name], s.Targets...)
			finds[name] = finds[name] || len(s.Discoveries) > 0
		}
		for _, n := range cfg.Notifiers {
			known["notifier"] = append(known["notifier"], n.Ref())
		}
		for _, r := range cfg.Rules {
			known["rule"] = append(known["rule"], r.Name)
		}
		if t.SelfAlerts {
			known["rule"] = append(known["rule"], SelfAlerts()...)
		}
	}
	l := t.loader
	l.diags, l.syntax = nil, nil // they were shown when the test was loaded
	for _, n := range t.names {
		what, among := n.what, known[n.what]
		if n.what == "target" {
			what = "target of " + n.of
			if among = known[what]; !slices.Contains(known["source"], n.of) || finds[n.of] {
				continue // that is complained about; what a source finds may have any name
			}
		}
		if !slices.Contains(among, n.name) {
			slices.Sort(among)
			l.errorf(n.at, "Unknown "+n.what, "The configuration has no %s called %q.%s", what, n.name, didYouMean(n.name, slices.Compact(among)))
		}
	}
	return l.finish()
}
