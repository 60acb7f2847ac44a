# What each kind of fault leads to. The configuration is that of the other file.

locals { ill = { "load{disk='1'}" = "1x3 15x100 1x40" } } # pending at 1m, firing at 2m, over at 26m15s

test "nothing happens, and nobody is told" {
  series "http.a" { samples = { "load{disk='1'}" = "9x100" } }
  transitions "High" { states = {} }
  transitions "Higher" { states = {} }
  notifications = {
    "pagerduty.oncall" = 0
    "slack.ops"        = 0
    "webhook.hook"     = 0
  }
  at "20m" { only = true }
}

test "one incident, told to three" {
  series "http.a" { samples = local.ill }
  transitions "High" {
    states = {
      "1m"     = "pending"
      "2m"     = "firing"
      "26m15s" = "resolved"
    }
  }
  notification "pagerduty.oncall" {
    at       = "2m10s"
    contains = ["\"event_action\": \"trigger\"", "10.0.0.1:80 has 15"]
  }
  notification "pagerduty.oncall" { contains = ["\"event_action\": \"resolve\""] }
  notification "slack.ops" { contains = ["10.0.0.1:80 has 15"] }
  notification "slack.ops" { at = "26m15s" }
  notification "webhook.hook" { contains = ["\"status\": \"firing\""] }
  notification "webhook.hook" { contains = ["\"status\": \"resolved\""] }
}

test "a service that answers late, or never, is told when it is back" {
  series "http.a" { samples = local.ill }
  fault "receiver" {
    notifier = "slack.ops"
    from     = "2m"
    to       = "4m"
    kind     = "hang"
  }
  fault "receiver" {
    notifier = "pagerduty.oncall"
    from     = "2m"
    to       = "2m30s"
    kind     = "refuse"
  }
  notification "slack.ops" {}
  notification "slack.ops" { at = "26m15s" }
  notification "pagerduty.oncall" { at = "2m30s" }
  notification "pagerduty.oncall" { at = "26m15s" }
}

test "an answer that is lost: the content comes again, marked" {
  series "http.a" { samples = local.ill }
  fault "receiver" {
    from = "2m"
    to   = "2m18s"
    kind = "drop"
  }
  notification "slack.ops" { at = "2m10s" }
  notification "slack.ops" {
    at       = "2m20s"
    contains = ["possible repeat: an earlier attempt got no answer"]
  }
  notification "slack.ops" { at = "26m15s" }
}

test "a service that never accepts it is not asked again" {
  duration = "20m"
  series "http.a" { samples = local.ill }
  fault "receiver" {
    notifier = "webhook.hook"
    from     = "0s"
    status   = 400
  }
  notifications = { "webhook.hook" = 0 }
}

test "killed between the decision and the notification" {
  series "http.a" { samples = local.ill }
  fault "crash" { at = "2m11s" }
  notification "pagerduty.oncall" { at = "2m25s" }
  notification "pagerduty.oncall" { at = "26m15s" }
  transitions "High" {
    states = {
      "1m"     = "pending"
      "2m"     = "firing"
      "26m15s" = "resolved"
    }
  }
}

test "storage that refuses delays no page for long" {
  series "http.a" { samples = local.ill }
  fault "storage" {
    from = "1m30s"
    to   = "20m"
  }
  notification "pagerduty.oncall" {
    at       = "2m20s"
    contains = ["delivery log unavailable, may repeat"]
  }
  notification "pagerduty.oncall" { at = "26m15s" }
}

test "a target that does not answer in time is not healthy" {
  series "http.a" { samples = local.ill }
  series "http.a" {
    target  = "10.0.0.2:80"
    samples = { "load" = "1x200" }
  }
  fault "scrape" {
    source = "http.a"
    target = "10.0.0.1:80"
    from   = "10m"
    to     = "40m"
    kind   = "late"
  }
  at "30m" {
    alert "High" {
      state   = "firing"
      unknown = true
    }
  }
  at "41m" { only = true }
}

test "a series that its target does not expose any more is over" {
  series "http.a" { samples = local.ill }
  fault "scrape" {
    source = "http.a"
    from   = "10m"
    kind   = "gone"
  }
  notification "pagerduty.oncall" { at = "2m10s" }
  notification "pagerduty.oncall" { at = "10m" }
}

test "a silence hides the opening and not the close" {
  series "http.a" { samples = local.ill }
  silence "work" {
    match = ["alertname='High'", "disk='1'"]
    from  = "1m"
    to    = "10m"
  }
  silence "more work" {
    match = ["alertname='High'"]
    from  = "20m"
  }
  notification "pagerduty.oncall" {
    at       = "10m"
    contains = ["no longer silenced by work"]
  }
  notification "pagerduty.oncall" { at = "26m15s" }
}

test "another configuration: the rule is gone, and so is its incident" {
  duration = "20m"
  series "http.a" { samples = local.ill }
  fault "reload" {
    at     = "10m"
    config = ["other"]
  }
  transitions "High" {
    states = {
      "1m"  = "pending"
      "2m"  = "firing"
      "10m" = "resolved"
    }
  }
  notification "pagerduty.oncall" { at = "2m10s" }
  notification "pagerduty.oncall" {
    at       = "10m"
    contains = ["resolve"]
  }
}

test "an engine that is down for a while goes on with what it knew" {
  series "http.a" { samples = local.ill }
  fault "crash" {
    at   = "10m"
    down = "5m"
  }
  fault "restart" {
    at   = "20m"
    down = "10m"
  }
  at "9m" {
    alert "High" { state = "firing" }
  }
  at "15m30s" {
    alert "High" { state = "firing" }
  }
  transitions "High" {
    states = {
      "1m"  = "pending"
      "2m"  = "firing"
      "30m" = "resolved"
    }
  }
  notification "pagerduty.oncall" { at = "2m10s" }
  notification "pagerduty.oncall" { at = "30m" }
}

test "a clock that was set ahead while the engine restarted" {
  series "http.a" { samples = local.ill }
  fault "clock" {
    at    = "10m"
    ahead = "30m"
  }
  at "10m30s" {
    alert "High" { state = "firing" }
  }
  transitions "High" {
    states = {
      "1m"     = "pending"
      "2m"     = "firing"
      "26m15s" = "resolved"
    }
  }
  notification "pagerduty.oncall" { at = "2m10s" }
  notification "pagerduty.oncall" {
    at       = "26m15s"
    contains = ["resolve"]
  }
}

test "a clock that was set back while the engine restarted" {
  series "http.a" { samples = local.ill }
  fault "clock" {
    at   = "10m"
    back = "2h"
  }
  at "10m30s" {
    alert "High" { state = "firing" }
  }
  transitions "High" {
    states = {
      "1m"     = "pending"
      "2m"     = "firing"
      "26m15s" = "resolved"
    }
  }
  notification "pagerduty.oncall" { at = "2m10s" }
  notification "pagerduty.oncall" {
    at       = "26m15s"
    contains = ["resolve"]
  }
}

test "a clock that was set back while an alert was pending" {
  duration = "10m"
  series "http.a" { samples = local.ill }
  fault "clock" {
    at   = "1m30s"
    back = "2h"
  }
  transitions "High" {
    states = {
      "1m" = "pending"
      "2m" = "firing"
    }
  }
  notification "pagerduty.oncall" { at = "2m30s" }
}

test "a clock that was set back before anybody was told" {
  duration = "10m"
  series "http.a" { samples = local.ill }
  fault "clock" {
    at   = "2m10s"
    back = "2h"
  }
  notification "pagerduty.oncall" { at = "2m10s" }
}

test "targets that a source finds" {
  config   = ["found"]
  duration = "5m"
  series "http.k8s" {
    target  = "10.1.0.1:80"
    samples = { "load" = "15x20" }
  }
  series "http.k8s" { samples = { "load" = "1x20" } }
  transitions "Found" {
    labels = { instance = "10.1.0.1:80" }
    states = { "0s" = "firing" }
  }
  transitions "Found" {
    labels = { instance = "k8s" }
    states = {}
  }
  notifications = { "webhook.hook" = 1 }
}
