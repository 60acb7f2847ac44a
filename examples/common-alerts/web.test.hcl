locals {
  config = ["tocsin.hcl", "web.hcl"]
  ok     = "nginx_ingress_controller_requests{namespace='shop',ingress='web',status='200'}"
  failed = "nginx_ingress_controller_requests{namespace='shop',ingress='web',status='503'}"
  fast   = "nginx_ingress_controller_request_duration_seconds_bucket{namespace='shop',ingress='web',le='0.5'}"
  slow   = "nginx_ingress_controller_request_duration_seconds_bucket{namespace='shop',ingress='web',le='2.5'}"
  all    = "nginx_ingress_controller_request_duration_seconds_bucket{namespace='shop',ingress='web',le='+Inf'}"
}

test "an ingress that fails and is slow" {
  config = local.config
  series "http.ingress" {
    samples = {
      (local.ok)     = "0+80x60"
      (local.failed) = "0+20x60"
      (local.fast)   = "0+70x60"
      (local.slow)   = "0+95x60"
      (local.all)    = "0+100x60"
    }
  }
  at "10m" {
    only = true
    alert "IngressErrors" {
      labels      = { namespace = "shop", ingress = "web", severity = "critical" }
      state       = "firing"
      annotations = { summary = "web: 20% of requests fail" }
    }
    alert "IngressSlow" {
      labels      = { namespace = "shop", ingress = "web", severity = "warning" }
      state       = "firing"
      annotations = { summary = "web: one request in 20 takes 2.5s or longer" }
    }
  }
}

test "an ingress that is well" {
  config = local.config
  series "http.ingress" {
    samples = {
      (local.ok)     = "0+99x160"
      (local.failed) = "0+1x160"
      (local.fast)   = "0+99x160"
      (local.slow)   = "0+100x160"
      (local.all)    = "0+100x160"
    }
  }
  at "39m" { only = true }
  notifications = { "pagerduty.oncall" = 0 }
}

test "what fails goes on failing while nothing is seen" {
  config = local.config
  series "http.ingress" {
    samples = {
      (local.ok)     = "0+80x160"
      (local.failed) = "0+20x160"
    }
  }
  fault "scrape" {
    source = "http.ingress"
    from   = "10m"
    to     = "30m"
  }
  at "29m" {
    only = true
    alert "IngressErrors" {
      state   = "firing"
      unknown = true
    }
  }
  at "39m" {
    only = true
    alert "IngressErrors" {
      state   = "firing"
      unknown = false
    }
  }
  notifications = { "pagerduty.oncall" = 1 }
}

test "traffic breaks down, but not because nobody looks" {
  config = local.config
  series "http.ingress" {
    samples = { (local.ok) = "0+100x199 19900+10x60" } # from 50m on
  }
  fault "scrape" {
    source = "http.ingress"
    from   = "20m"
    to     = "24m"
  }
  transitions "TrafficDrop" {
    labels = { ingress = "web" }
    states = { "53m30s" = "firing" }
  }
}

test "an error budget burns, and the page ends when half an hour was good enough" {
  config = local.config
  series "http.checkout" {
    samples = { # from 30m to 45m one in ten fails
      "http_requests_total{code='200'}" = "0+1000x120 120000+900x60 174000+1000x180"
      "http_requests_total{code='500'}" = "0x120      0+100x60      6000x180"
    }
  }
  transitions "CheckoutBudget" {
    states = { "32m30s" = "firing", "1h13m30s" = "resolved" }
  }
  at "40m" {
    only = true
    alert "CheckoutBudget" {
      labels = { severity = "critical" } # the verdict says so
      state  = "firing"
    }
  }
}
