package route

import "time"

// Next is the first time after in.Now at which [Desired] may give another answer for the same alerts, since a silence
// or a schedule begins or ends, or an acknowledgement expires; zero if there is none.
func Next(in Input) time.Time {
	var next time.Time
	consider := func(at time.Time) {
		if at.After(in.Now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for i := range in.Silences {
		if s := &in.Silences[i]; s.StartsAt.Before(s.EndsAt) {
			consider(s.StartsAt)
			consider(s.EndsAt)
		}
	}
	for _, k := range in.Acks {
		consider(k.Until) // in the past if there is none
	}
	for _, s := range in.Schedules {
		consider(s.Next(in.Now))
	}
	return next
}
