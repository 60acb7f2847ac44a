rule "A" {
  module = "error_rate"
}
rule "B" {
  module = "error_rate"
  input "request" {
    select = "a"
    window = "5m"
  }
}
rule "C" {
  module = "error_rate"
  input "requests" {
    windw = "5m"
  }
  input "requests" {
    select = "a"
    window = "5m"
  }
}
rule "E" {
  module = "error_rate"
  input "requests" {
    select = "a"
    window = "5m"
    reduce = "avg"
  }
}
rule "F" {
  module = "threshold"
  params { above = 1 }
  input "value" { reduce = "raet" }
}
rule "G" {
  module = "threshold"
  params { above = 1 }
  input "baseline" {}
  input "other" {}
}
rule "D" {
  params {}
  params {}
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
