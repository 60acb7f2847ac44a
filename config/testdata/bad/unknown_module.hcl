rule "A" {
  module = "error_rte"
}
rule "B" {
  module = error_rate
}
rule "C" {
  module = module.seasnal
}
rule "D" {
  module = "nothing_like_it"
  params { anything = 1 }
}
module "seasonal" { path = "seasonal.wasm" }

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
