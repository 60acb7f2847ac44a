package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
)

// examined is how many alerts are asked for one by one.
const examined = 25

// explain asks the running engine why, as an engineer would, of the alerts that receivers were told of. It tells whether
// there was an answer for each, with a reason for everything that happened and did not.
func (e *engine) explain(ctx context.Context, receivers []*receiver, random *rand.Rand, out io.Writer) (explained bool, err error) {
	var ids []int
	known := map[int]bool{}
	for _, r := range receivers {
		for _, t := range r.taken() {
			if !known[t.id] {
				known[t.id] = true
				ids = append(ids, t.id)
			}
		}
	}
	var all struct{ Instances, Unknown int }
	if err := e.why(ctx, &all, "-all"); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "tocsin why: %d alerts, receivers were told of %d; reasons \"unknown\": %d\n", all.Instances, len(ids), all.Unknown)
	explained = all.Instances >= len(ids) && all.Unknown == 0
	random.Shuffle(len(ids), func(i, k int) { ids[i], ids[k] = ids[k], ids[i] })
	for _, id := range ids[:min(len(ids), examined)] {
		name := fmt.Sprintf("Incident{id=\"%d\"}", id)
		var answer struct {
			Instances []struct {
				Incidents []struct {
					Outcomes []struct{ Cause, Reason string }
				}
			}
		}
		if err := e.why(ctx, &answer, name); err != nil {
			return false, err
		}
		outcomes := 0
		for _, instance := range answer.Instances {
			for _, incident := range instance.Incidents {
				for _, o := range incident.Outcomes {
					outcomes++
					if o.Reason == "" || o.Cause == "" || o.Cause == "unknown" {
						fmt.Fprintf(out, "  %s: an outcome has no reason: %+v\n", name, o)
						explained = false
					}
				}
			}
		}
		if outcomes < len(receivers) {
			fmt.Fprintf(out, "  %s: %d outcomes for %d receivers\n", name, outcomes, len(receivers))
			explained = false
		}
	}
	return explained, nil
}

// why runs `tocsin why`.
func (e *engine) why(ctx context.Context, answer any, args ...string) error {
	p := exec.CommandContext(ctx, e.binary, append([]string{"why", "-addr", e.address(), "-o", "json"}, args...)...)
	p.Stderr = e.log
	printed, err := p.Output()
	if err != nil {
		return fmt.Errorf("tocsin why %v: %w", args, err)
	}
	if err := json.Unmarshal(printed, answer); err != nil {
		return fmt.Errorf("tocsin why %v: %w", args, err)
	}
	return nil
}
