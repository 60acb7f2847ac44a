# The reference scenario, told as tests:  tocsin test -v examples/quickstart
#
# A series has one sample an interval (15 s here), in the notation of Prometheus' rule tests: 0+750x8 is 0, 750, 1500 …
# Times count from the start of the test. Things happen within one interval of the time that is written.

locals {
  ok     = "http_requests_total{code='200',endpoint='/critical/api'}"
  failed = "http_requests_total{code='503',endpoint='/critical/api'}"
}

test "errors page once, and recovery closes the incident" {
  series "http.gateway" {
    samples = { # 50 requests a second, of which a third fails from 2m to 17m
      (local.ok)     = "0+750x8 6500+500x59 36750+750x100"
      (local.failed) = "0x8       250+250x59 15000x100"
    }
  }

  transitions "HighAPIErrorRate" {
    labels = { endpoint = "/critical/api" }
    states = {
      "2m30s"  = "pending" # above 5 % of the last five minutes
      "7m30s"  = "firing"  # for five minutes
      "21m15s" = "resolved"
    }
  }

  at "10m" {
    only = true
    alert "HighAPIErrorRate" {
      labels      = { endpoint = "/critical/api", severity = "critical" }
      state       = "firing"
      annotations = { summary = "/critical/api: 33.33% of requests fail" }
    }
  }

  notification "pagerduty.oncall" {
    at     = "8m" # after group_wait
    golden = "trigger.json"
  }
  notification "pagerduty.oncall" {
    at     = "21m15s"
    golden = "resolve.json"
  }
}

test "a scrape outage does not resolve, and does not page again" {
  series "http.gateway" {
    samples = {
      (local.ok)     = "0+500x240"
      (local.failed) = "0+250x240"
    }
  }
  fault "scrape" {
    source = "http.gateway"
    from   = "20m"
    to     = "40m"
  }

  at "30m" {
    only = true
    alert "HighAPIErrorRate" {
      state   = "firing"
      unknown = true
    }
  }
  at "45m" {
    alert "HighAPIErrorRate" {
      state   = "firing"
      unknown = false
    }
  }
  notifications = { "pagerduty.oncall" = 1 }
}

test "PagerDuty is down and the engine is killed: it is paged all the same, once" {
  series "http.gateway" {
    samples = {
      (local.ok)     = "0+500x80"
      (local.failed) = "0+250x80"
    }
  }
  fault "receiver" {
    notifier    = "pagerduty.oncall"
    from        = "5m"
    to          = "10m"
    status      = 429
    retry_after = "30s"
  }
  fault "crash" { at = "8m" }

  notification "pagerduty.oncall" {
    at       = "10m30s" # the first retry after the outage
    contains = ["33.33%", "\"event_action\": \"trigger\""]
  }
}

test "who is on call hears that the gateway cannot be seen" {
  self_alerts = true
  series "http.gateway" { samples = { (local.ok) = "0+500x160" } }
  fault "scrape" {
    source = "http.gateway"
    from   = "10m"
    to     = "20m"
  }

  transitions "TocsinBlind" {
    labels = { cause = "http.gateway" }
    states = {
      "15m15s" = "firing"   # unknown_after
      "21m15s" = "resolved" # and a minute after it answers again
    }
  }
  notifications = { "pagerduty.oncall" = 2 }
}
