engine {
  keep        = "everything"
  keep_for    = "1h"
  window_sync = "1ms"
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
