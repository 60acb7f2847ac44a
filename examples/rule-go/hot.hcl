# The rule in a pipeline: where samples come from, what is judged, who is told.

source "http" "sensors" {
  targets  = ["127.0.0.1:9100"]
  interval = "15s"
}

module "hot" { path = "hot.wasm" } # tocsin rule build . -o hot.wasm

rule "Hot" {
  module = "hot"
  input "values" { select = "temperature_celsius" }
  params { above = 80 }

  for         = "30s"
  annotations = { summary = "{{ $labels.room }} has {{ $value }} degrees" }
}

variable "webhook" {
  sensitive = true
  default   = "http://127.0.0.1:9000/hook" # set TOCSIN_VAR_webhook
}

notifier "webhook" "ops" { url = var.webhook }

route { to = [notifier.webhook.ops] }
