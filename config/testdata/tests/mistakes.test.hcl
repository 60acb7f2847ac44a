locals { twice = local.twice }

test "arguments" {
  start     = "yesterday"
  duration  = "9000h"
  tolerance = 15
  seeds     = 1
  notifications = {
    "a.b" = 1.5
    "a.c" = "many"
  }
}

test "start" { start = "1999-12-31T23:59:59Z" }

test "start" {}

test "series" {
  series {}
  series "http.a" {}
  series "http.a" {
    interval = "0s"
    samples = {
      "load"           = "1 two 3"
      "load{"          = "1"
      "load{a=b}"      = "1"
      "other"          = "1x9999999"
      "histogram"      = "{{schema:9}}"
      "histograms"     = "{{schema:1}}x10001"
      "list"           = [1, 2]
    }
  }
}

test "faults" {
  fault "scarpe" { from = "1m" }
  fault "scrape" { kind = "lost" }
  fault "receiver" {
    from   = "2m"
    to     = "1m"
    status = 99
  }
  fault "crash" { from = "1m" }
  fault "reload" { at = "2m" }
  fault "reload" { at = "1m" }
  fault "clock" { at = "1m" }
  fault "clock" {
    at   = "1m"
    back = "800000h"
  }
}

test "expectations" {
  duration = "1m"
  at "soon" {}
  at "2m" {
    alert "A" {}
    alert "B" { state = "fires" }
  }
  transitions "A" {}
  transitions "A" {
    states = {
      "1m"   = "fire"
      "noon" = "firing"
    }
  }
  notification "a.b" {
    payload = "{"
    golden  = "x.json"
  }
  notification "a.b" { payload = "{} {}" }
  notification "a.b" { paylaod = {} }
}
rule "elsewhere" {}
