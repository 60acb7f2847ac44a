package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a location means the same on machines without a time zone database

	"github.com/hashicorp/hcl/v2"
)

// Schedule is a schedule block: times that come again each week. It holds when one of Weekdays and one of Times holds;
// what is left out always holds. The clock on the wall at Location decides: where it is set forward, times that it does not
// show do not come that day; where it is set back, those that it shows twice come twice.
type Schedule struct {
	Name     string
	Weekdays []WeekdayRange
	Times    []TimeRange
	Location *time.Location
	Range    Range `json:"-"`
}

// WeekdayRange is a run of days, both inclusive. From may be after To: sat to mon.
type WeekdayRange struct{ From, To time.Weekday }

// TimeRange is a part of a day, in minutes since midnight; the end is exclusive and at most 24 hours.
type TimeRange struct{ Start, End int }

// MarshalJSON writes the place by its name, so that a schedule elsewhere is not the same.
func (s Schedule) MarshalJSON() ([]byte, error) {
	type plain Schedule // without this method
	place := s.Location.String()
	s.Location = nil
	return json.Marshal(struct {
		plain
		Location string
	}{plain(s), place})
}

func (l *loader) schedules() (all []Schedule) {
	for _, block := range l.blocks["schedule"] {
		if !l.isFirst(block, block.Labels[0]) {
			continue
		}
		all = append(all, l.schedule(block))
	}
	return all
}

func (l *loader) schedule(block *hcl.Block) Schedule {
	b := l.open(block, []string{"weekdays", "times", "location"})
	s := Schedule{Name: block.Labels[0], Location: time.UTC, Range: rangeOf(headerRange(block))}
	days, _ := b.list("weekdays")
	for _, i := range days {
		d, err := parseWeekdays(i.text)
		if err != nil {
			l.errorf(i.expr.Range(), "Invalid weekdays", "%s.", err)
			continue
		}
		s.Weekdays = append(s.Weekdays, d)
	}
	times, _ := b.list("times")
	for _, i := range times {
		t, err := parseTimes(i.text)
		if err != nil {
			l.errorf(i.expr.Range(), "Invalid times", "%s.", err)
			continue
		}
		s.Times = append(s.Times, t)
	}
	if i, ok := b.itemOf("location"); ok {
		location, err := time.LoadLocation(i.text)
		if err != nil || i.text == "Local" {
			l.errorf(b.at("location"), "Unknown location", "%q is not a name of the time zone database, such as \"Europe/Rome\".", i.text)
		} else {
			s.Location = location
		}
	}
	if !b.has("weekdays") && !b.has("times") {
		l.errorf(headerRange(block), "Empty schedule", "%s needs weekdays or times.", describe(block))
	}
	return s
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

// parseWeekdays reads "mon" or "mon:fri". Long names (monday) are fine too.
func parseWeekdays(text string) (WeekdayRange, error) {
	first, last, isRange := strings.Cut(text, ":")
	if !isRange {
		last = first
	}
	from, ok := weekday(first)
	to, ok2 := weekday(last)
	if !ok || !ok2 {
		return WeekdayRange{}, fmt.Errorf("%q is not a day such as \"mon\" nor a range such as \"mon:fri\"", text)
	}
	return WeekdayRange{From: from, To: to}, nil
}

func weekday(text string) (time.Weekday, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	for short, d := range weekdays {
		if text == short || text == strings.ToLower(d.String()) {
			return d, true
		}
	}
	return 0, false
}

var timeRange = regexp.MustCompile(`^(\d\d):(\d\d)-(\d\d):(\d\d)$`)

// parseTimes reads "02:00-03:30".
func parseTimes(text string) (TimeRange, error) {
	m := timeRange.FindStringSubmatch(text)
	if m == nil {
		return TimeRange{}, fmt.Errorf("%q is not a range such as \"02:00-03:30\"", text)
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	t := TimeRange{Start: n[0]*60 + n[1], End: n[2]*60 + n[3]}
	if n[1] > 59 || n[3] > 59 || t.End > 24*60 || t.Start >= t.End {
		return TimeRange{}, fmt.Errorf("%q is not a range of times within one day; write two ranges to pass midnight", text)
	}
	return t, nil
}
