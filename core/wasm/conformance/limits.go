package conformance

import (
	"errors"
	"fmt"

	"github.com/tocsinhq/tocsin/core/wasm"
)

// checkLimitAlerts gives the guest a host that takes few verdicts, as host_info says.
func checkLimitAlerts(s *suite) error {
	const most = 3
	steps := s.usual(usualSeries)[:1]
	want, err := s.reference(steps)
	if err != nil {
		return err
	}
	if len(want[0].lines) <= most {
		return notApplicable(fmt.Sprintf("the rule gives only %d verdicts of %d series", len(want[0].lines), usualSeries))
	}
	got, err := s.under(wasm.Limits{Alerts: most}, steps)
	if err == nil && len(got[0].lines) > most {
		return fmt.Errorf("%d verdicts, host_info allows %d", len(got[0].lines), most)
	}
	return unlessRefused(err)
}

// checkLimitEmit gives the guest a host that takes few bytes.
func checkLimitEmit(s *suite) error {
	const most = 200
	steps := s.usual(usualSeries)[:1]
	want, err := s.reference(steps)
	if err != nil {
		return err
	}
	if len(want[0].emitted) <= most {
		return notApplicable(fmt.Sprintf("the rule emits only %d bytes for %d series", len(want[0].emitted), usualSeries))
	}
	_, err = s.under(wasm.Limits{EmitBytes: most}, steps)
	return unlessRefused(err)
}

// under plays steps under limits.
func (s *suite) under(limits wasm.Limits, steps []step) ([]judgement, error) {
	l, err := s.limited(limits)
	if err != nil {
		return nil, err
	}
	defer l.close()
	return l.reference(steps)
}

// unlessRefused forgives a guest that said itself that it cannot go on.
func unlessRefused(err error) error {
	if _, ok := errors.AsType[refusal](err); ok {
		return nil
	}
	return err
}
