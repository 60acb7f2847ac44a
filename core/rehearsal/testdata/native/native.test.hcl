# Native histograms, from the source to the alert: a module and an expression say the same of them.

test "quantiles of native histograms" {
  series "http.shop" {
    samples = {
      # five minutes of observations in (1, 2], five in (4, 8], and again in (1, 2]
      "latency_seconds{path='/turns'}" = <<-EOT
        {{schema:0 count:10 sum:15 offset:1 buckets:[10]}}+{{schema:0 count:10 sum:15 offset:1 buckets:[10]}}x20
        {{schema:0 count:220 sum:375 offset:1 buckets:[210 0 10]}}+{{schema:0 count:10 sum:60 offset:3 buckets:[10]}}x20
        {{schema:0 count:430 sum:1590 offset:1 buckets:[220 0 210]}}+{{schema:0 count:10 sum:15 offset:1 buckets:[10]}}x40
      EOT
      # it was slow long ago, and lowers its resolution: all that it ever counted is in other buckets then
      "latency_seconds{path='/coarser'}" = <<-EOT
        {{schema:1 count:1010 sum:6000 offset:1 buckets:[10 0 0 0 1000]}}+{{schema:1 count:10 sum:12 offset:1 buckets:[10]}}x20
        {{schema:0 count:1220 sum:6252 offset:1 buckets:[220 0 1000]}}+{{schema:0 count:10 sum:15 offset:1 buckets:[10]}}x60
      EOT
      # it is started again while it is slow
      "latency_seconds{path='/restarted'}" = <<-EOT
        {{schema:0 count:1000 sum:6000 offset:3 buckets:[1000]}}+{{schema:0 count:10 sum:60 offset:3 buckets:[10]}}x20
        {{schema:0 count:10 sum:60 offset:3 buckets:[10]}}+{{schema:0 count:10 sum:60 offset:3 buckets:[10]}}x60
      EOT
    }
  }
  fault "crash" { at = "8m20s" }

  at "4m" {
    only = true
    alert "SlowByModule" {
      labels      = { path = "/restarted" }
      state       = "firing"
      annotations = { summary = "7.464" }
    }
    alert "SlowByExpression" {
      labels      = { path = "/restarted" }
      state       = "firing"
      annotations = { summary = "7.464" }
    }
  }
  at "8m" {
    only = true
    alert "SlowByModule" {
      labels = { path = "/turns" }
      state  = "firing"
    }
    alert "SlowByModule" {
      labels = { path = "/restarted" }
      state  = "firing"
    }
    alert "SlowByExpression" {
      labels = { path = "/turns" }
      state  = "firing"
    }
    alert "SlowByExpression" {
      labels = { path = "/restarted" }
      state  = "firing"
    }
  }
  at "8m40s" {
    alert "SlowByModule" {
      labels = { path = "/turns" }
      state  = "firing"
    }
    alert "SlowByExpression" {
      labels = { path = "/turns" }
      state  = "firing"
    }
  }
  at "13m" {
    only = true
    alert "SlowByModule" {
      labels = { path = "/restarted" }
      state  = "firing"
    }
    alert "SlowByExpression" {
      labels = { path = "/restarted" }
      state  = "firing"
    }
  }
}
