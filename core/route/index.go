package route

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// index finds which of many sets of matchers hold for a label set without trying each of them: a set that demands one
// certain value of a label is tried only for label sets that have it.
type index struct {
	sets   [][]*labels.Matcher
	byPair map[frame.Label][]int // sets that demand the label, each under its rarest one
	others []int                 // sets that demand none
}

func newIndex(sets [][]*labels.Matcher) *index {
	x := &index{sets: sets, byPair: map[frame.Label][]int{}}
	count := map[frame.Label]int{}
	for _, set := range sets {
		for _, m := range set {
			if demands(m) {
				count[frame.Label{Name: m.Name, Value: m.Value}]++
			}
		}
	}
	for i, set := range sets {
		rarest, found := frame.Label{}, false
		for _, m := range set {
			pair := frame.Label{Name: m.Name, Value: m.Value}
			if demands(m) && (!found || count[pair] < count[rarest]) {
				rarest, found = pair, true
			}
		}
		if found {
			x.byPair[rarest] = append(x.byPair[rarest], i)
		} else {
			x.others = append(x.others, i)
		}
	}
	return x
}

func demands(m *labels.Matcher) bool { return m.Type == labels.MatchEqual && m.Value != "" }

// find appends to found the positions of the sets that hold, in no order.
func (x *index) find(ls frame.Labels, found []int) []int {
	try := func(candidates []int) {
		for _, i := range candidates {
			if matches(x.sets[i], ls) {
				found = append(found, i)
			}
		}
	}
	if len(x.byPair) > 0 {
		for _, l := range ls {
			try(x.byPair[l])
		}
	}
	try(x.others)
	return found
}
