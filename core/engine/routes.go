package engine

import (
	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
)

// routing turns what is configured about routing into what core/route decides by; alerts and time are left open.
func routing(cfg *config.Config) route.Input {
	in := route.Input{Root: routeTree(cfg.Route), Schedules: map[string]route.Schedule{}}
	in.Root.Routes = append(heartbeatRoutes(cfg), in.Root.Routes...)
	for _, s := range cfg.Silences {
		in.Silences = append(in.Silences, route.Silence{ID: s.Name, Matchers: s.Matchers, StartsAt: s.From, EndsAt: s.Until, UntilResolved: s.UntilResolved})
	}
	for _, i := range cfg.Inhibits {
		in.Inhibitions = append(in.Inhibitions, route.Inhibition{Source: i.Source, Target: i.Target, Equal: i.Equal})
	}
	for _, s := range cfg.Schedules {
		in.Schedules[s.Name] = calendar(s)
	}
	return in
}

// routesPart is the name of the part that has the routes.
const routesPart = "routes"

// routingVersion changes with what routing makes of a configuration.
func routingVersion(cfg *config.Config) string {
	return config.Version(cfg.Route, cfg.Silences, cfg.Inhibits, cfg.Schedules, cfg.Heartbeats)
}

func calendar(s config.Schedule) *route.Calendar {
	var days []route.DayRange
	for _, d := range s.Weekdays {
		days = append(days, route.DayRange(d))
	}
	var times []route.TimeRange
	for _, t := range s.Times {
		times = append(times, route.TimeRange(t))
	}
	return route.NewCalendar(days, times, s.Location)
}

// routeTree turns the configured routes into the tree that core/route walks.
func routeTree(r *config.Route) *route.Node {
	node := &route.Node{
		Receivers: r.To,
		Matchers:  r.Matchers,
		GroupBy:   r.GroupBy,
		Wait:      r.GroupWait,
		Interval:  r.GroupInterval,
		Repeat:    r.RepeatInterval,
		Continue:  r.Continue,
		Mute:      r.Mute,
	}
	if f := r.Fallback; f != nil {
		node.Fallback = &alert.Fallback{After: f.After, To: f.To}
	}
	for _, child := range r.Routes {
		node.Routes = append(node.Routes, routeTree(child))
	}
	return node
}
