locals {
  config = ["tocsin.hcl", "probes.hcl"]
}

test "a site in trouble" {
  config = local.config
  series "http.blackbox" {
    samples = {
      "probe_success"                  = "0x60"
      "probe_duration_seconds"         = "5x60"
      "probe_ssl_earliest_cert_expiry" = "1767830400x60" # 8 January, a week after the start
    }
  }
  at "10m" {
    alert "ProbeFailed" { state = "firing" }
    alert "ProbeSlow" {
      state       = "firing"
      annotations = { summary = "www.example.org takes 5s to answer" }
    }
    alert "CertificateExpires" {
      state       = "firing"
      annotations = { summary = "the certificate of www.example.org expires in 6d 23h 59m 45s" }
    }
  }
}

test "a site that is well" {
  config = local.config
  series "http.blackbox" {
    samples = {
      "probe_success"                  = "1x60"
      "probe_duration_seconds"         = "0.3x60"
      "probe_ssl_earliest_cert_expiry" = "1775000000x60"
    }
  }
  series "http.rabbitmq" {
    samples = { "rabbitmq_queue_messages_ready{queue='orders'}" = "5x60" }
  }
  at "14m" { only = true }
  notifications = { "pagerduty.oncall" = 0 }
}

test "a target that is down is told once, and what it had is not missed" {
  config = local.config
  series "http.rabbitmq" {
    samples = { "rabbitmq_queue_messages_ready{queue='orders'}" = "5x100" }
  }
  fault "scrape" {
    source = "http.rabbitmq"
    from   = "5m"
    to     = "20m"
  }
  transitions "TargetDown" {
    labels = { job = "rabbitmq" }
    states = { "5m" = "pending", "10m" = "firing", "20m" = "resolved" }
  }
  transitions "QueueLost" { states = {} }
}

test "a queue that is gone is missed by its name" {
  config = local.config
  series "http.rabbitmq" {
    samples = {
      "rabbitmq_queue_messages_ready{queue='orders'}" = "5x100"
      "rabbitmq_queue_messages_ready{queue='mails'}"  = "5x20 _x40 5x40"
    }
  }
  transitions "QueueLost" {
    labels = { queue = "mails" }
    states = { "5m15s" = "pending", "7m15s" = "firing", "15m15s" = "resolved" }
  }
}

test "a target that comes and goes is told as such" {
  config = local.config
  fault "scrape" {
    source = "http.redis"
    from   = "30m"
    to     = "32m"
  }
  fault "scrape" {
    source = "http.redis"
    from   = "34m"
    to     = "36m"
  }
  fault "scrape" {
    source = "http.redis"
    from   = "38m"
    to     = "40m"
  }
  fault "scrape" {
    source = "http.redis"
    from   = "42m"
    to     = "44m"
  }
  transitions "TargetFlaps" {
    labels = { job = "redis" }
    states = {
      "44m"  = "firing"
      "1h6m" = "resolved" # until half of the changes are half an hour ago
    }
  }
  transitions "TargetDown" {
    labels = { job = "redis" } # never down for five minutes
    states = {
      "30m"    = "pending"
      "32m"    = "inactive"
      "34m"    = "pending"
      "36m"    = "inactive"
      "38m"    = "pending"
      "40m"    = "inactive"
      "42m"    = "pending"
      "44m15s" = "inactive"
    }
  }
}
