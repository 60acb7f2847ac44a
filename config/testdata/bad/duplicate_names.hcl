source "http" "gateway" { targets = ["a:1"] }
source "http" "gateway" { targets = ["b:1"] }
rule "A" {
  module = "threshold"
  params { above = 1 }
}
rule "A" {
  module = "no_such_module"
}
notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
variable "v" { default = 1 }
variable "v" { default = 2 }
module "m" { path = "m.wasm" }
module "m" { path = "n.wasm" }
locals { x = 1 }
locals { x = 2 }
engine {}
engine {}
plugin "source" "s" {}
plugin "source" "s" {}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
