# The least that is a configuration: everything else has a default.
source "http" "gateway" { targets = ["10.0.0.11:9113"] }

rule "Down" {
  module = "threshold"
  params { above = 0 }
}

notifier "webhook" "ops" { url = "https://ops.example.org/alerts" }

route { to = [notifier.webhook.ops] }

rule "Falls" {
  module = "threshold"
  input "value" { reduce = "rate" }
  input "baseline" {}
  params { above = 0 }
}
