package main

import (
	"math"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// profile is what is usual of an instance, hour by hour of a season, and what the hour that runs has been like.
type profile struct {
	slots [weekHours]slot
	hour  int64 // since 1970, UTC; of the values below
	first int64 // time of the first value of the hour, Unix milliseconds
	last  int64 // of the last one

	// Welford's method: the sum of squares is that of differences from the mean.
	n, mean, squares float64
}

const weekHours = 7 * 24

// slot is one hour of the season. Single precision halves the state; no profile is known to seven digits.
type slot struct {
	mean, deviation float32
	seasons         uint8 // how many it was made of
}

// leastCovered is how much of an hour must have been seen for it to be learned.
const leastCovered = 30 * time.Minute

// at is what is usual at a time. When an hour is over it becomes part of the profile.
func (p *profile) at(t time.Time, hours, most int) slot {
	hour := t.Unix() / 3600
	if hour != p.hour {
		if time.Duration(p.last-p.first)*time.Millisecond >= leastCovered {
			p.slots[p.hour%int64(hours)].add(p.mean, p.squares/p.n, most)
		}
		p.hour, p.first, p.last = hour, t.UnixMilli(), t.UnixMilli()
		p.n, p.mean, p.squares = 0, 0, 0
	}
	return p.slots[hour%int64(hours)]
}

// learn adds a value to the hour that runs.
func (p *profile) learn(t time.Time, v float64) {
	p.last = t.UnixMilli()
	p.n++
	d := v - p.mean
	p.mean += d / p.n
	p.squares += d * (v - p.mean)
}

// add makes an hour that is over part of the slot. Of k seasons the newest counts 1/k, of more than most 1/most, as in an
// exponentially weighted mean; mean and variance are those of the mixture of both distributions.
func (s *slot) add(mean, variance float64, most int) {
	weight := 1 / float64(min(int(s.seasons)+1, most))
	d := mean - float64(s.mean)
	old := float64(s.deviation) * float64(s.deviation)
	s.deviation = float32(math.Sqrt((1-weight)*old + weight*variance + weight*(1-weight)*d*d))
	s.mean += float32(weight * d)
	s.seasons = uint8(min(int(s.seasons)+1, math.MaxUint8))
}

func (p *profile) save(w *rule.StateWriter, hours int) {
	for _, s := range p.slots[:hours] {
		w.Uint(uint64(math.Float32bits(s.mean)) | uint64(math.Float32bits(s.deviation))<<32)
		w.Byte(s.seasons)
	}
	w.Int(p.hour)
	w.Int(p.first)
	w.Int(p.last)
	w.Float(p.n)
	w.Float(p.mean)
	w.Float(p.squares)
}

func (p *profile) load(r *rule.StateReader, hours int) {
	for i := range p.slots[:hours] {
		bits := r.Uint()
		p.slots[i] = slot{math.Float32frombits(uint32(bits)), math.Float32frombits(uint32(bits >> 32)), r.Byte()}
		if s := p.slots[i]; !(s.deviation >= 0) || math.IsNaN(float64(s.mean)) {
			r.Fail("a mean or deviation that is no number")
		}
	}
	p.hour, p.first, p.last = r.Int(), r.Int(), r.Int()
	p.n, p.mean, p.squares = r.Float(), r.Float(), r.Float()
	if p.hour < 0 || !(p.n >= 0) {
		r.Fail("an hour before 1970, or less than no values")
	}
}
