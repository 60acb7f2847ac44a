package replay

import (
	"cmp"
	"slices"
	"time"
)

// Difference is what two configurations page differently over the same time.
type Difference struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Notes   []string  `json:"notes"` // of both
	Same    int       `json:"same"`  // pages that come from both
	Gone    []Page    `json:"gone"`  // that only the old one sends
	New     []Page    `json:"new"`   // that only the new one sends
	Changed []Change  `json:"changed"`
}

// Change is a page that comes from both, but not as it was.
type Change struct {
	Old    Page `json:"old"`
	New    Page `json:"new"`
	Moved  bool `json:"moved"`  // it comes at another time
	Alerts bool `json:"alerts"` // it names other alerts
}

// near is how far a page may have moved and still be the same page.
const near = time.Hour

// slack is by how much times may differ and still count as the same: they are shown in seconds.
const slack = time.Second / 2

// Compare tells how the pages of the new configuration differ from those of the old one. Pages are the same if they go
// to the same receiver for the same group with the same status and reason, and each is the nearest of those that are left.
func Compare(old, now Timeline) Difference {
	d := Difference{From: old.From, To: old.To, Notes: []string{}, Gone: []Page{}, New: []Page{}, Changed: []Change{}}
	for _, side := range []struct {
		name  string
		notes []string
	}{{"old: ", old.Notes}, {"new: ", now.Notes}} {
		for _, note := range side.notes {
			d.Notes = append(d.Notes, side.name+note)
		}
	}
	pairs, gone, come := pair(old.Pages, now.Pages)
	d.Gone, d.New = append(d.Gone, gone...), append(d.New, come...)
	for _, c := range pairs {
		if c.Moved || c.Alerts {
			d.Changed = append(d.Changed, c)
		} else {
			d.Same++
		}
	}
	return d
}

// Empty tells whether both send the same pages.
func (d *Difference) Empty() bool { return len(d.Gone)+len(d.New)+len(d.Changed) == 0 }

// pair finds for each page its counterpart: the nearest first, and none twice. Pages stay in the order of time.
func pair(old, now []Page) (pairs []Change, gone, come []Page) {
	places := map[string][]int{} // of pages of now, by what they are about
	for j := range now {
		places[now[j].about()] = append(places[now[j].about()], j)
	}
	type couple struct {
		i, j int
		away time.Duration
	}
	var couples []couple
	for i := range old {
		for _, j := range places[old[i].about()] {
			if away := now[j].Time.Sub(old[i].Time).Abs(); away <= near {
				couples = append(couples, couple{i, j, away})
			}
		}
	}
	slices.SortStableFunc(couples, func(a, b couple) int { return cmp.Compare(a.away, b.away) })
	counterpart, taken := map[int]int{}, map[int]bool{}
	for _, c := range couples {
		if _, has := counterpart[c.i]; !has && !taken[c.j] {
			counterpart[c.i], taken[c.j] = c.j, true
		}
	}
	for i := range old {
		j, has := counterpart[i]
		if !has {
			gone = append(gone, old[i])
			continue
		}
		pairs = append(pairs, Change{
			Old: old[i], New: now[j], Moved: now[j].Time.Sub(old[i].Time).Abs() > slack, Alerts: old[i].content() != now[j].content(),
		})
	}
	for j := range now {
		if !taken[j] {
			come = append(come, now[j])
		}
	}
	return pairs, gone, come
}
