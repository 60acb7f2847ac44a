locals {
  ok     = "http_requests_total{code='200',endpoint='/critical/api'}"
  failed = "http_requests_total{code='503',endpoint='/critical/api'}"
}

test "errors page, and recovery closes after keep_firing_for" {
  series "http.gateway" {
    samples = { # 50 requests a second, of which a third fails from 5m to 20m
      (local.ok)     = "0+750x20 15500+500x59 45750+750x120"
      (local.failed) = "0x20     250+250x59   15000x120"
    }
  }
  series "http.odoo" {
    samples = {
      odoo_workers        = "8x200"
      odoo_workers_wanted = "8x200"
    }
  }

  transitions "HighAPIErrorRate" {
    labels = { job = "gateway", endpoint = "/critical/api" }
    states = {
      "6m"     = "pending" # above 5 % of the last five minutes
      "11m"    = "firing"  # for five minutes
      "26m30s" = "resolved"
    }
  }
  at "15m" {
    alert "HighAPIErrorRate" {
      labels      = { job = "gateway", endpoint = "/critical/api", severity = "critical" }
      state       = "firing"
      annotations = { summary = "/critical/api: 33.33% of requests fail" }
    }
    alert "Watchdog" { state = "firing" }
  }
}

test "what cannot be seen is not healthy" {
  series "http.gateway" { samples = { (local.ok) = "0+750x200" } }
  series "http.odoo" {
    samples = {
      odoo_workers        = "3x200"
      odoo_workers_wanted = "8x200"
    }
  }
  fault "scrape" {
    source = "http.odoo"
    from   = "10m"
    to     = "20m"
  }
  fault "scrape" {
    source = "http.gateway"
    from   = "10m"
    to     = "15m"
  }

  at "15m" {
    alert "TooFewWorkers" {
      state   = "firing" # in Prometheus it would have resolved: the series is stale
      unknown = true
    }
    alert "GatewayGone" { state = "firing" } # as in Prometheus
  }
  at "25m" {
    alert "TooFewWorkers" {
      state   = "firing"
      unknown = false
    }
    alert "GatewayGone" { state = "inactive" }
  }
}

test "a crash does not take the past away" {
  series "http.odoo" {
    samples = { odoo_worker_deaths_total = "0+1x20 20x300" } # until 5m
  }
  fault "crash" { at = "10m" }

  at "11m" {
    alert "WorkersDie" {
      state   = "firing" # the windows go on where they were
      unknown = false
    }
  }
  at "30m" {
    alert "WorkersDie" { state = "firing" }
  }
  at "45m" {
    alert "WorkersDie" { state = "inactive" } # for half an hour none has died
  }
}
