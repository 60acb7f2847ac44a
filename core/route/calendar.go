package route

import "time"

// Schedule is a set of recurring times.
type Schedule interface {
	// Active tells whether the schedule holds at that time.
	Active(at time.Time) bool
	// Next is the first time after at when Active changes; zero if it never does.
	Next(at time.Time) time.Time
}

// Calendar is a weekly schedule by the clock on the wall of a place: it holds while that clock shows one of the days
// and one of the times of day.
//
// So where a clock is set forward, times that it does not show do not come that day; where it is set back, those that it
// shows twice come twice.
type Calendar struct {
	days     [7]bool
	minutes  [minutesOfDay]bool
	location *time.Location
}

const minutesOfDay = 24 * 60

// DayRange is a run of weekdays, both inclusive. From may be after To: saturday to monday.
type DayRange struct{ From, To time.Weekday }

// TimeRange is a part of a day in minutes since midnight, the end exclusive and at most 24 hours.
type TimeRange struct{ Start, End int }

// NewCalendar returns a calendar. No days means all days, no times mean the whole day.
func NewCalendar(days []DayRange, times []TimeRange, location *time.Location) *Calendar {
	c := &Calendar{location: location}
	for _, r := range days {
		for d := r.From; ; d = (d + 1) % 7 {
			c.days[d] = true
			if d == r.To {
				break
			}
		}
	}
	for _, r := range times {
		for m := max(r.Start, 0); m < min(r.End, minutesOfDay); m++ {
			c.minutes[m] = true
		}
	}
	for d := range c.days {
		c.days[d] = c.days[d] || len(days) == 0
	}
	for m := range c.minutes {
		c.minutes[m] = c.minutes[m] || len(times) == 0
	}
	return c
}

// Active implements [Schedule].
func (c *Calendar) Active(at time.Time) bool {
	local := at.In(c.location)
	return c.days[local.Weekday()] && c.minutes[local.Hour()*60+local.Minute()]
}

// horizon is how far Next looks: a week whose day has another clock may come without the times in question, and so may
// the one after it.
const horizon = 22 * 24 * time.Hour

// Next implements [Schedule]. It goes from one edge of the times of day to the next, and stops where the clock is set.
func (c *Calendar) Next(at time.Time) time.Time {
	before := c.Active(at)
	for t := at; t.Sub(at) < horizon; {
		t = c.edge(t)
		if c.Active(t) != before {
			return t
		}
	}
	return time.Time{}
}

// edge is the first time after t at which Active may change: a time of day at which it does, midnight, or a time at
// which the clock is set.
func (c *Calendar) edge(t time.Time) time.Time {
	local := t.In(c.location)
	minute := local.Hour()*60 + local.Minute()
	next := minute + 1
	for next < minutesOfDay && c.minutes[next] == c.minutes[minute] {
		next++
	}
	ofMinute := time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	edge := t.Add(time.Duration(next-minute)*time.Minute - ofMinute)
	if _, set := local.ZoneBounds(); !set.IsZero() && set.Before(edge) {
		return set
	}
	return edge
}
