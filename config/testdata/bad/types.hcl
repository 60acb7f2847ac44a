source "http" "gateway" {
  targets   = ["a:1"]
  headers   = "X-Team: core"
  max_bytes = "many"
  labels    = ["tier"]
}
notifier "webhook" "x" { url = ["https://example.org"] }
notifier "webhook" "y" { url = "example.org" }
rule "A" {
  module = "threshold"
  params { above = [1] }
  labels = { severity = ["critical"] }
  limit  = 1.5
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
