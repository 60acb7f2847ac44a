source "http" "odoo" { targets = ["10.0.0.21:8069"]  path = "/metrics" }

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
