package delivery

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// role is the part that an alert plays in what is to be sent.
type role uint8

const (
	unconcerned role = iota // nothing to say of it
	withheld                // it fires, and must not be opened
	opening                 // it fires, and the receiver did not accept that yet
	standing                // it fires, and the receiver knows
	closing                 // it is over or not wanted here any more, and the receiver knows or may know that it fired
	late                    // it is over, and the receiver should have known that it fired
)

// part is one alert of a record: what is wanted (nil where it is not wanted here any more) and what is known.
type part struct {
	role   role
	member *alert.Member
	known  Instance // zero where nothing is known
}

// roleOf decides what there is to say of an alert.
func (r *record) roleOf(m *alert.Member, known *Instance) role {
	told := known != nil && known.open()
	switch {
	case m == nil:
		if told {
			return closing
		}
	case m.Alert.State == alert.Firing:
		switch {
		case known != nil && known.Status == Open:
			return standing
		case known != nil && known.Status == Summed:
			return unconcerned
		case m.Held.Holds():
			return withheld
		}
		return opening
	case told:
		return closing
	case known != nil && known.Status == Due:
		return late
	}
	return unconcerned
}

// parts visits the alerts of a record, wanted or known, in the order of their fingerprints.
func (r *record) parts(visit func(m *alert.Member, known *Instance)) {
	members, instances := r.group.Members, r.Instances
	if !r.present {
		members = nil
	}
	for len(members) > 0 || len(instances) > 0 {
		var m *alert.Member
		var known *Instance
		if len(members) > 0 && (len(instances) == 0 || members[0].Alert.Fingerprint <= instances[0].Fingerprint) {
			m = &members[0]
		}
		if len(instances) > 0 && (len(members) == 0 || instances[0].Fingerprint <= members[0].Alert.Fingerprint) {
			known = &instances[0]
		}
		if m != nil {
			members = members[1:]
		}
		if known != nil {
			instances = instances[1:]
		}
		if m != nil && m.Alert.Shadow && m.Alert.State == alert.Firing && known != nil && known.open() {
			m = nil // nobody is to know of it any more
		}
		visit(m, known)
	}
}

// survey is what there is to say about a record, in short.
type survey struct {
	openings, closings, lates int
	firing                    int  // openings and what the receiver knows already
	relabelled                bool // an alert that the receiver knows has other labels now
	rise                      bool // its severity rose
	news                      notifier.Reason
	lifted                    bool // what withheld an opening is over
	repeatable                bool // something fires that the receiver knows and that is not withheld
	accepted                  bool // the receiver accepted that something fires, and not yet that it is over
	firstFired                time.Time
}

// changed tells that the receiver should be told something new.
func (s *survey) changed() bool {
	return s.openings+s.closings+s.lates > 0 || s.relabelled || s.news != ""
}

func (r *record) survey() survey {
	var s survey
	r.parts(func(m *alert.Member, known *Instance) {
		s.accepted = s.accepted || known != nil && known.open() && !known.ToldAt.IsZero()
		switch r.roleOf(m, known) {
		case opening:
			s.openings++
			s.firing++
			s.lifted = s.lifted || known != nil && known.Lifted != ""
			if began := beganAt(m.Alert); s.firstFired.IsZero() || began.Before(s.firstFired) {
				s.firstFired = began
			}
		case closing:
			s.closings++
		case late:
			s.lates++
		case standing:
			s.firing++
			if m.Held.Holds() {
				return
			}
			s.repeatable = true
			s.news = r.news
			if !m.Alert.Labels.Equal(known.Labels) {
				s.relabelled = true
				s.rise = s.rise || alert.Rises(known.Labels, m.Alert.Labels)
			}
		}
	})
	return s
}

// beganAt is when an alert began to fire.
func beganAt(a *alert.Alert) time.Time {
	if a.FiredAt.IsZero() {
		return a.ActiveAt
	}
	return a.FiredAt
}

// next returns when something is to be sent, zero for never, as things stand. It is asked again after each change.
func (r *record) next(now time.Time) time.Time {
	if r.receiver == nil {
		return time.Time{}
	}
	if r.AcceptedAt.After(now) {
		r.AcceptedAt = now // the clock was set back: nobody waits until it is there again
	}
	s := r.survey()
	var due time.Time
	switch {
	case s.changed() && (s.rise || s.lifted):
		due = now
	case s.changed() && !s.accepted && s.openings > 0:
		if due = s.firstFired.Add(r.group.Wait); s.firstFired.After(now) {
			due = now // as well
		}
	case s.changed() && s.accepted && r.present:
		due = r.AcceptedAt.Add(r.group.Interval)
	case s.changed():
		due = now
	case s.repeatable && r.group.Repeat > 0:
		due = r.AcceptedAt.Add(r.group.Repeat)
	default:
		return time.Time{}
	}
	switch {
	case r.Dead != "" && r.contentAt(latest(now, due)).hash == r.Dead:
		return time.Time{}
	case r.Attempt != nil && s.changed():
		due = latest(r.Attempt.Since, r.NextAt) // it was due before
	default:
		due = latest(due, r.NextAt)
	}
	return due
}

// nextMark returns when the next alert becomes due, whether or not it can be sent then; zero for never. From that time
// on it is owed, so it has to be noted durably.
func (r *record) nextMark() time.Time {
	var mark time.Time
	s := r.survey()
	r.parts(func(m *alert.Member, known *Instance) {
		if r.roleOf(m, known) != opening || known != nil && known.Status != Closed {
			return
		}
		if due, _ := r.dueOf(m.Alert, &s); mark.IsZero() || due.Before(mark) {
			mark = due
		}
	})
	return mark
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// content is what a receiver is to be told in one notification.
type content struct {
	parts  []part // those that are told: opening, standing, closing, late
	reason notifier.Reason
	hash   string
}

// empty tells that there is nothing to say.
func (c content) empty() bool { return len(c.parts) == 0 }

// repeats tells that what the receiver knows is to be told again.
func (r *record) repeats(s *survey, now time.Time) bool {
	return !s.changed() && s.repeatable && r.group.Repeat > 0 && !now.Before(r.AcceptedAt.Add(r.group.Repeat))
}

// speaks tells that there is something to tell.
func (r *record) speaks(now time.Time) bool {
	s := r.survey()
	return s.changed() || r.repeats(&s, now)
}

// contentAt returns what is to be told at a time.
func (r *record) contentAt(now time.Time) content {
	s := r.survey()
	repeat := r.repeats(&s, now)
	if !s.changed() && !repeat {
		return content{}
	}
	c := content{parts: make([]part, 0, max(len(r.group.Members), len(r.Instances)))}
	firing := false
	r.parts(func(m *alert.Member, known *Instance) {
		p := part{role: r.roleOf(m, known), member: m}
		if known != nil {
			p.known = *known
		}
		switch p.role {
		case opening, standing:
			firing = true
			c.parts = append(c.parts, p)
		case closing, late:
			c.parts = append(c.parts, p)
		}
	})
	switch {
	case !firing:
		c.reason = notifier.ReasonAllResolved
	case !s.accepted:
		c.reason = notifier.ReasonFirst
	case s.openings > 0:
		c.reason = notifier.ReasonAdded
	case s.closings+s.lates > 0:
		c.reason = notifier.ReasonSomeEnded
	case s.news != "":
		c.reason = s.news
	case s.relabelled:
		c.reason = notifier.ReasonRevised
	default:
		c.reason = notifier.ReasonRepeat
	}
	c.hash = r.hash(c.parts, repeat)
	return c
}

// hash identifies content: which alerts fire and since when, with which labels, and which are over. Values and
// annotations are no part of it, so the same notification may be tried again with newer ones. It counts the accepted
// notifications, so what is told again later is not the same.
func (r *record) hash(parts []part, repeat bool) string {
	h := sha256.New()
	var buf [33]byte
	binary.BigEndian.PutUint64(buf[0:], r.Accepted)
	if repeat {
		buf[8] = 1
	}
	h.Write([]byte(r.dedup))
	h.Write(buf[:9])
	for _, p := range parts {
		clear(buf[:])
		switch p.role {
		case opening, standing:
			binary.BigEndian.PutUint64(buf[0:], uint64(p.member.Alert.Fingerprint))
			binary.BigEndian.PutUint64(buf[8:], uint64(beganAt(p.member.Alert).UnixNano()))
			binary.BigEndian.PutUint64(buf[16:], p.member.Alert.Labels.Hash())
			if r.isStorm() { // what it stands for
				binary.BigEndian.PutUint64(buf[16:], p.member.Alert.Labels.Hash()^math.Float64bits(p.member.Alert.Value))
			}
			buf[24] = 1
		default:
			binary.BigEndian.PutUint64(buf[0:], uint64(p.fingerprint()))
			if p.member != nil {
				binary.BigEndian.PutUint64(buf[8:], uint64(beganAt(p.member.Alert).UnixNano()))
			} else {
				binary.BigEndian.PutUint64(buf[8:], uint64(p.known.StartsAt.UnixNano()))
			}
		}
		h.Write(buf[:25])
	}
	return hex.EncodeToString(h.Sum(buf[:0])[:16])
}

func (p *part) fingerprint() alert.Fingerprint {
	if p.member != nil {
		return p.member.Alert.Fingerprint
	}
	return p.known.Fingerprint
}

// firing tells that the alert is told as firing.
func (p *part) firing() bool { return p.role == opening || p.role == standing }
