package delivery

import (
	"fmt"
	"slices"
	"time"
)

// Budget is how many incidents may be opened at a receiver within a time before it gets one page that stands for the rest,
// see storm.go. The zero value has no limit.
//
// What is told of an incident that is open, or may be, costs nothing: updates, repeats, its end, further attempts. A restart
// counts what is open and forgets what was closed.
type Budget struct {
	Pages int
	Per   time.Duration
}

func (b Budget) String() string { return fmt.Sprintf("%d pages in %s", b.Pages, short(b.Per)) }

// short writes a duration without units that are zero: 10m instead of 10m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n > 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}

// affords tells whether the budget has a page left for a record that is about to be sent, and takes it out. From then on
// until the receiver took it, it is spent. The mutex is held.
func (l *Ledger) affords(rec *record, now time.Time) bool {
	r := rec.receiver
	if r.Budget.Pages <= 0 || rec.isStorm() || rec.paging || rec.opened() || now.Before(r.mu.singly) {
		return true
	}
	r.mu.pages = slices.DeleteFunc(r.mu.pages, func(at time.Time) bool { return at.After(now) || !at.After(now.Add(-r.Budget.Per)) })
	if len(r.mu.pages)+r.mu.paging >= r.Budget.Pages {
		return false
	}
	rec.paging = true
	r.mu.paging++
	return true
}

// paged notes that the receiver took a page: it counts from now on.
func (r *record) paged(now time.Time) {
	if r.paging {
		r.unpaged()
		r.receiver.mu.pages = append(r.receiver.mu.pages, now)
	}
}

// unpaged gives back a page that is not sent.
func (r *record) unpaged() {
	if r.paging {
		r.paging = false
		r.receiver.mu.paging--
	}
}

// toldAt is when the receiver heard first of the incident that is open, zero if none is.
func (r *record) toldAt() (first time.Time) {
	for i := range r.Instances {
		if inst := &r.Instances[i]; inst.open() && !inst.ToldAt.IsZero() && (first.IsZero() || inst.ToldAt.Before(first)) {
			first = inst.ToldAt
		}
	}
	return first
}
