# A day of the whole fleet: 576,000 judgements of a hundred rules.

locals {
  gateways  = [for n in range(1, 5) : "10.0.0.${n}:9113"]
  endpoints = [for n in range(1, 21) : format("/v1/service-%02d", n)]

  # One endpoint fails for half an hour each hour, and one queue fills up in the night. All others are well.
  well = merge([for e in local.endpoints : {
    "http_requests_total{code='200',endpoint='${e}'}"                        = "0+500x5760"
    "http_requests_total{code='503',endpoint='${e}'}"                        = "0+1x5760"
    "http_request_duration_seconds_bucket{endpoint='${e}',le='0.1'}"         = "0+400x5760"
    "http_request_duration_seconds_bucket{endpoint='${e}',le='0.5'}"         = "0+490x5760"
    "http_request_duration_seconds_bucket{endpoint='${e}',le='+Inf'}"        = "0+501x5760"
    "http_queue_length{endpoint='${e}'}"                                     = "5x5760"
    "http_queue_capacity{endpoint='${e}'}"                                   = "200x5760"
  }]...)
  failing = {
    "http_requests_total{code='503',endpoint='/v1/service-07'}" = join(" ", [for h in range(24) : "${h * 6000}+0x119 ${h * 6000}+50x119"])
  }
  full = {
    "http_queue_length{endpoint='/v1/service-12'}" = "5x1439 190x239 5x4080"
  }
}

test "a day" {
  duration = "24h"
  series "http.gateway" {
    target  = local.gateways[0]
    samples = merge(local.well, local.failing, local.full)
  }
  series "http.gateway" {
    target  = local.gateways[1]
    samples = merge(local.well, local.failing)
  }
  series "http.gateway" {
    target  = local.gateways[2]
    samples = merge(local.well, local.failing)
  }
  series "http.gateway" {
    target  = local.gateways[3]
    samples = merge(local.well, local.failing)
  }

  notifications = {
    "pagerduty.oncall" = 49 # the errors of each hour and their end, but for the last; the queue and its end
    "slack.ops"        = 2
  }
}
