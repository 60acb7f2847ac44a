# What the routes, inhibitions, schedules and silences do, on a virtual clock:  tocsin test -v examples/team-routing

locals {
  left = "node_filesystem_avail_bytes{mountpoint='/'}"
  size = "node_filesystem_size_bytes{mountpoint='/'}"
}

test "a full disk inhibits the warning about itself, and frees it when it is no longer full" {
  series "http.node[\"milan\"]" {
    samples = { # 1 % is left until 20m, then 5 %
      (local.left) = "1x80 5x120"
      (local.size) = "100x200"
    }
  }
  notification "pagerduty.team[\"core\"]" {
    at       = "5m30s"
    contains = ["1% left", "critical"]
  }
  notification "pagerduty.team[\"core\"]" {
    at = "20m15s"
  }
  notification "webhook.chat[\"data\"]" {
    at = "5m30s"
  }
  notification "webhook.chat[\"data\"]" {
    at = "20m15s"
  }
  notification "webhook.chat[\"core\"]" {
    at       = "5m30s"
    contains = ["\"severity\": \"critical\""]
  }
  notification "webhook.chat[\"core\"]" {
    at       = "20m15s"
    contains = ["\"severity\": \"warning\""]
  }
  notification "webhook.chat[\"core\"]" {
    at = "20m15s"
  }
}

test "backups may take room at night, and are told in the morning" {
  start = "2026-01-01T04:50:00Z" # ten to six in Rome
  series "http.node[\"milan\"]" {
    samples = {
      "node_filesystem_avail_bytes{mountpoint='/backup'}" = "2x100"
      "node_filesystem_size_bytes{mountpoint='/backup'}"  = "100x100"
    }
  }
  notification "webhook.chat[\"data\"]" {
    at       = "10m" # and not after "for", at 5m
    contains = ["2% left"]
  }
  notifications = { "pagerduty.team[\"data\"]" = 0, "webhook.chat[\"core\"]" = 0 } # 0.5 % is the limit there
}

test "a full /data is the data team's, at any time" {
  start = "2026-01-01T01:00:00Z"
  series "http.node[\"milan\"]" {
    target = "10.1.0.12:9100"
    samples = {
      "node_filesystem_avail_bytes{mountpoint='/data'}" = "2x100"
      "node_filesystem_size_bytes{mountpoint='/data'}"  = "100x100"
    }
  }
  notification "pagerduty.team[\"data\"]" { at = "5m30s" }
  notification "webhook.chat[\"data\"]" { at = "5m30s" }
  notifications = { "pagerduty.team[\"core\"]" = 0, "webhook.chat[\"core\"]" = 0 }
}

test "Turin is silenced while it moves; who is still down afterwards is told" {
  start = "2026-01-03T16:00:00Z" # five in the afternoon there
  series "http.node[\"turin\"]" {
    samples = { "node_filesystem_avail_bytes{mountpoint='/'}" = "9x10" }
  }
  fault "scrape" {
    source = "http.node[\"turin\"]"
    from   = "2m"
  }
  duration = "70m"
  at "30m" {
    alert "HostDown" {
      labels = { site = "turin" }
      state  = "firing"
    }
  }
  notification "pagerduty.team[\"core\"]" {
    at       = "1h"
    contains = ["10.2.0.11:9100 in turin does not answer"]
  }
}

test "a shadow wakes nobody" {
  series "http.node[\"milan\"]" {
    samples = { "node_timex_offset_seconds" = "-9x100" }
  }
  at "10m" {
    only = true
    alert "ClockSkew" { state = "firing" }
  }
  notifications = {
    "pagerduty.team[\"core\"]" = 0
    "pagerduty.team[\"data\"]" = 0
    "webhook.chat[\"core\"]"   = 0
    "webhook.chat[\"data\"]"   = 0
  }
}
