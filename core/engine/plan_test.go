package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/config"
)

// planned checks what a reload would do.
func (b *bubble) planned(configuration, want string) {
	b.Helper()
	p, err := b.engine.plan(b.Context(), func() (*config.Config, error) { return b.load(configuration), nil })
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	if err := p.Write(&text); err != nil {
		b.Fatal(err)
	}
	if diff := gocmp.Diff(strings.TrimSpace(want), strings.TrimSpace(text.String())); diff != "" {
		b.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestPlan(t *testing.T) {
	base := preamble + `
route {
  to              = [notifier.webhook.ops]
  group_by        = ["alertname"]
  group_wait      = "0s"
  group_interval  = "1m"
  repeat_interval = "1d"
  route {
    match = ["severity='critical'"]
    to    = [notifier.webhook.dba]
  }
}
` + above("Goes", "") + above("Hot", `labels = { severity = "warning" }`)
	critical := strings.Replace(base, `severity = "warning"`, `severity = "critical"`, 1)
	inBubble(t, base, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1)
		b.page("b:80", `x{id="2"}`, 1)
		b.until(2 * time.Minute)
		b.sent(
			`5s webhook.ops: Goes{id="1"} firing, Goes{id="2"} firing`,
			`5s webhook.ops: Hot{id="1",severity="warning"} firing, Hot{id="2",severity="warning"} firing`,
		)
		running := b.engine.setup.Load()
		b.planned(base, "Nothing would change.\n\nOpen incidents that go on without a word: 2")
		b.planned(strings.Replace(critical, above("Goes", ""), "", 1), `
changed rule Hot: labels
removed rule Goes

Open incidents:
  closes  webhook.ops {}:{alertname="Goes"}: 2 alerts (rule removed)
  closes  webhook.ops {}:{alertname="Hot"}: 2 alerts (no longer routed here)
  opens   webhook.dba {}/{severity="critical"}:{alertname="Hot"}: 2 alerts`)
		b.planned(strings.Replace(base, `["alertname"]`, `["alertname", "id"]`, 1), `
changed route: group_by
changed route {severity="critical"}: group_by

Open incidents:
  closes  webhook.ops {}:{alertname="Goes"}: 2 alerts (no longer routed here)
  closes  webhook.ops {}:{alertname="Hot"}: 2 alerts (no longer routed here)
  opens   webhook.ops {}:{alertname="Goes", id="1"}: 1 alert
  opens   webhook.ops {}:{alertname="Goes", id="2"}: 1 alert
  opens   webhook.ops {}:{alertname="Hot", id="1"}: 1 alert
  opens   webhook.ops {}:{alertname="Hot", id="2"}: 1 alert`)
		b.planned(base+"silence \"all\" {\n  match = [\"alertname=~'.+'\"]\n  until = \"2000-01-02T00:00:00Z\"\n  reason = \"x\"\n  owner = \"x\"\n}\n",
			"added silence all\n\nOpen incidents that go on without a word: 2")
		b.planned(strings.Replace(base, "  route {\n    match = [\"severity='critical'\"]", "  route {\n    match = [\"id='1'\"]", 1), `
added route {id="1"}
removed route {severity="critical"}

Open incidents:
  opens   webhook.dba {}/{id="1"}:{alertname="Goes"}: 1 alert
  opens   webhook.dba {}/{id="1"}:{alertname="Hot"}: 1 alert
  shrinks webhook.ops {}:{alertname="Goes"}: 1 of 2 alerts leave (no longer routed here)
  shrinks webhook.ops {}:{alertname="Hot"}: 1 of 2 alerts leave (no longer routed here)`)

		if b.engine.setup.Load() != running || len(running.named) != len(running.parts) {
			t.Error("a plan changed what runs")
		}
		b.sent()
		b.reload(critical) // it comes as it was planned
		b.until(2*time.Minute + time.Second)
		b.sent(
			`2m0s webhook.dba: Hot{id="1",severity="critical"} firing, Hot{id="2",severity="critical"} firing`,
			`2m0s webhook.ops: Hot{id="1",severity="warning"} resolved, Hot{id="2",severity="warning"} resolved [no longer routed here]`,
		)
	})
}

func TestPlanOfWhatWouldBeRejected(t *testing.T) {
	inBubble(t, preamble+plain+above("Hot", ""), func(b *bubble) {
		broken := errors.New("tocsin.hcl: nonsense")
		p, err := b.engine.plan(b.Context(), func() (*config.Config, error) { return nil, broken })
		if err != nil || p.Rejected != broken.Error() {
			t.Errorf("plan: %+v, %v, want it to say %v", p, err, broken)
		}
		if _, why := b.engine.Rejected(); why != nil {
			t.Errorf("a plan counts as a rejected reload: %v", why)
		}
		if _, err := b.engine.Plan(b.Context()); err == nil {
			t.Error("an engine that does not know where its configuration came from planned to load it again")
		}
	})
}
