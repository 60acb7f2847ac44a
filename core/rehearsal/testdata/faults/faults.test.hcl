# Everything that can go wrong, at once. What comes of it matters less than that it is the same each time.

test "many faults" {
  duration = "6h"
  seed     = 7

  series "http.a" {
    samples = {
      "load{disk='1'}" = "1x20 15x400 1x1000"
      "load{disk='2'}" = "1x20 25x30 1x30 25x30 _x10 25x30 stale 1x20"
    }
  }
  series "http.a" {
    target  = "10.0.0.2:80"
    samples = { "load{disk='1'}" = "30x100 _x20 30x600" }
  }
  series "http.b" { samples = { "load" = "1+1x100" } }

  fault "scrape" {
    source = "http.a"
    target = "10.0.0.1:80"
    from   = "40m"
    to     = "50m"
    kind   = "late"
  }
  fault "scrape" {
    source = "http.b"
    from   = "1h"
    to     = "2h"
    kind   = "gone"
  }
  fault "receiver" {
    notifier = "slack.ops"
    from     = "1m"
    to       = "5m"
    kind     = "hang"
  }
  fault "receiver" {
    notifier = "webhook.hook"
    from     = "5m"
    to       = "20m"
    status   = 503
  }
  fault "receiver" {
    notifier = "pagerduty.oncall"
    from     = "1m"
    to       = "2m30s"
    kind     = "drop"
  }
  fault "storage" {
    from = "30m"
    to   = "33m"
  }
  fault "crash" { at = "2m20s" }
  fault "crash" { at = "31m" }
  fault "restart" { at = "3h" }
}
