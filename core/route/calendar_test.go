package route_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the same zones everywhere

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/route"
)

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestCalendar follows a calendar from edge to edge over the days on which clocks are set: what begins and ends, in UTC.
func TestCalendar(t *testing.T) {
	rome := location(t, "Europe/Rome")
	night := []route.TimeRange{{Start: 2 * 60, End: 3*60 + 30}}
	for _, tt := range []struct {
		name     string
		calendar *route.Calendar
		from     string
		want     []string
	}{
		{
			"weekdays end on the last day's midnight",
			route.NewCalendar([]route.DayRange{{From: time.Monday, To: time.Friday}}, nil, rome),
			"2026-11-05T12:00:00Z",
			[]string{"2026-11-06T23:00:00Z ends", "2026-11-08T23:00:00Z begins", "2026-11-13T23:00:00Z ends"},
		},
		{
			"days that pass the week's end, times of day",
			route.NewCalendar([]route.DayRange{{From: time.Saturday, To: time.Sunday}}, []route.TimeRange{{Start: 0, End: 60}, {Start: 23 * 60, End: 24 * 60}}, time.UTC),
			"2026-11-06T23:30:00Z",
			[]string{
				"2026-11-07T00:00:00Z begins", "2026-11-07T01:00:00Z ends", "2026-11-07T23:00:00Z begins", "2026-11-08T01:00:00Z ends",
				"2026-11-08T23:00:00Z begins", "2026-11-09T00:00:00Z ends",
			},
		},
		{
			"the hour from 2 to 3 does not come on the last Sunday of March: the schedule begins at 3",
			route.NewCalendar(nil, night, rome),
			"2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z begins", "2026-03-29T01:30:00Z ends", "2026-03-30T00:00:00Z begins"},
		},
		{
			"what lies within the missing hour does not come at all",
			route.NewCalendar(nil, []route.TimeRange{{Start: 2 * 60, End: 3 * 60}}, rome),
			"2026-03-28T12:00:00Z",
			[]string{"2026-03-30T00:00:00Z begins", "2026-03-30T01:00:00Z ends"},
		},
		{
			"nor does what needs that hour of a certain day: it is a week later",
			route.NewCalendar([]route.DayRange{{From: time.Sunday, To: time.Sunday}}, []route.TimeRange{{Start: 2 * 60, End: 3 * 60}}, rome),
			"2026-03-22T12:00:00Z",
			[]string{"2026-04-05T00:00:00Z begins", "2026-04-05T01:00:00Z ends"},
		},
		{
			"the hour from 2 to 3 comes twice on the last Sunday of October",
			route.NewCalendar(nil, night, rome),
			"2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:00:00Z begins", "2026-10-25T02:30:00Z ends", "2026-10-26T01:00:00Z begins"},
		},
		{
			"and so does a part of it",
			route.NewCalendar(nil, []route.TimeRange{{Start: 2 * 60, End: 2*60 + 15}}, rome),
			"2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:00:00Z begins", "2026-10-25T00:15:00Z ends", "2026-10-25T01:00:00Z begins", "2026-10-25T01:15:00Z ends", "2026-10-26T01:00:00Z begins"},
		},
		{"always", route.NewCalendar(nil, nil, rome), "2026-10-24T12:00:00Z", nil},
		{"every day", route.NewCalendar([]route.DayRange{{From: time.Tuesday, To: time.Monday}}, nil, rome), "2026-10-24T12:00:00Z", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range max(1, len(tt.want)) {
				if at = tt.calendar.Next(at); at.IsZero() {
					break
				}
				what := " ends"
				if tt.calendar.Active(at) {
					what = " begins"
				}
				got = append(got, at.UTC().Format(time.RFC3339)+what)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCalendarNextMissesNothing compares Next with a look at the clock every minute, in places with odd clocks.
func TestCalendarNextMissesNothing(t *testing.T) {
	places := []*time.Location{
		time.UTC, location(t, "Europe/Rome"), location(t, "America/New_York"), location(t, "Australia/Lord_Howe"), // sets its clock by half an hour
		location(t, "America/Sao_Paulo"), // used to set it at midnight
		location(t, "Pacific/Apia"),      // had no 30 December 2011
	}
	starts := []time.Time{
		time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 0, 0, 0, 0, time.UTC),
		time.Date(2018, 11, 3, 0, 0, 0, 0, time.UTC), time.Date(2011, 12, 28, 0, 0, 0, 0, time.UTC),
	}
	rapid.Check(t, func(t *rapid.T) {
		var days []route.DayRange
		for range rapid.IntRange(0, 2).Draw(t, "day ranges") {
			days = append(days, route.DayRange{
				From: time.Weekday(rapid.IntRange(0, 6).Draw(t, "from")), To: time.Weekday(rapid.IntRange(0, 6).Draw(t, "to")),
			})
		}
		var times []route.TimeRange
		for range rapid.IntRange(0, 3).Draw(t, "time ranges") {
			start := rapid.IntRange(0, 1439).Draw(t, "start")
			times = append(times, route.TimeRange{Start: start, End: rapid.IntRange(start+1, 1440).Draw(t, "end")})
		}
		c := route.NewCalendar(days, times, rapid.SampledFrom(places).Draw(t, "place"))
		at := rapid.SampledFrom(starts).Draw(t, "date").Add(time.Duration(rapid.IntRange(0, 3*24*3600).Draw(t, "second")) * time.Second)
		const looks = 4 * 24 * 60
		want, before := time.Time{}, c.Active(at)
		for minute := at.Truncate(time.Minute).Add(time.Minute); minute.Sub(at) < looks*time.Minute; minute = minute.Add(time.Minute) {
			if c.Active(minute) != before {
				want = minute
				break
			}
		}
		got := c.Next(at)
		if want.IsZero() && got.Sub(at) >= looks*time.Minute {
			return
		}
		if !got.Equal(want) {
			t.Fatalf("after %s: Next is %s, the clock says %s", at, got, want)
		}
	})
}
