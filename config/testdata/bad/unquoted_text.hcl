source "http" "gateway" {
  targets  = [localhost]
  interval = var
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
