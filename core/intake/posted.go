package intake

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// What one alert may hold: generous for people, tight for accidents.
const (
	maxLabels     = 128
	maxLabelValue = 8 << 10
	maxAnnotation = 64 << 10
)

// check says what is wrong with a posted alert.
func (p *Posted) check() error {
	if len(p.Labels) == 0 {
		return errors.New("an alert needs at least one label with a value")
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("alert %s: "+format, append([]any{p.Labels}, args...)...)
	}
	if len(p.Labels) > maxLabels {
		return fmt.Errorf("an alert has %d labels, the limit is %d", len(p.Labels), maxLabels)
	}
	for _, l := range p.Labels {
		switch {
		case !model.UTF8Validation.IsValidLabelName(l.Name):
			return fmt.Errorf("an alert has the label name %q, which is none", l.Name)
		case !model.LabelValue(l.Value).IsValid():
			return fmt.Errorf("an alert has a value of label %q that is no UTF-8", l.Name)
		case len(l.Value) > maxLabelValue:
			return fmt.Errorf("an alert has a value of label %q with %d bytes, the limit is %d", l.Name, len(l.Value), maxLabelValue)
		}
	}
	for name, value := range p.Annotations {
		switch {
		case !model.UTF8Validation.IsValidLabelName(name):
			return bad("annotation name %q is none", name)
		case len(value) > maxAnnotation:
			return bad("annotation %q has %d bytes, the limit is %d", name, len(value), maxAnnotation)
		}
	}
	if !p.StartsAt.IsZero() && !p.EndsAt.IsZero() && p.EndsAt.Before(p.StartsAt) {
		return bad("it ends at %s before it starts at %s", p.EndsAt.Format(time.RFC3339), p.StartsAt.Format(time.RFC3339))
	}
	return nil
}

// times are when the alert begins and ends, with Alertmanager's rules for what is left out: the start is the end if that
// lies in the past, else now; without an end it lasts for the resolve timeout (open).
func (p *Posted) times(now time.Time, timeout time.Duration) (starts, ends time.Time, open bool) {
	starts, ends = p.StartsAt, p.EndsAt
	if starts.IsZero() {
		if starts = now; !ends.IsZero() && ends.Before(now) {
			starts = ends
		}
	}
	if ends.IsZero() {
		ends, open = now.Add(timeout), true
	}
	if starts.After(now) {
		starts = now // a sender's clock may be ahead; nobody waits for it
	}
	return starts, ends, open
}
