package engine

import (
	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/route"
)

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
	}
	for _, child := range r.Routes {
		node.Routes = append(node.Routes, routeTree(child))
	}
	return node
}
