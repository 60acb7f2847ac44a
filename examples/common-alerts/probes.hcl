# What is seen from outside, and whether anything is seen at all.

rule "ProbeFailed" {
  module = "threshold"
  input "series" { select = "probe_success" }
  params {
    op    = "=="
    value = 0
  }
  for         = "2m"
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.probe }} does not answer as it should" }
}

rule "ProbeSlow" {
  module = "threshold"
  input "series" {
    select = "probe_duration_seconds"
    window = "5m"
    reduce = "avg"
  }
  params { value = 2 }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.probe }} takes {{ $value | humanizeDuration }} to answer" }
}

rule "CertificateExpires" {
  module = "threshold"
  input "series" { select = "probe_ssl_earliest_cert_expiry" }
  params {
    as    = "until" # seconds until that time
    op    = "<"
    value = 14 * 24 * 3600
  }
  labels      = { severity = "warning" }
  annotations = { summary = "the certificate of {{ $labels.probe }} expires in {{ $value | humanizeDuration }}" }
}

rule "TargetDown" {
  module = "threshold"
  input "series" { select = "up" }
  params {
    op    = "=="
    value = 0
  }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.job }} at {{ $labels.instance }} cannot be scraped" }
}

rule "TargetFlaps" {
  module = "flapping"
  input "series" {
    select = "up"
    window = "30m"
  }
  params { changes = 8 }
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.job }} at {{ $labels.instance }} came and went {{ $value }} times in half an hour" }
}

rule "QueueLost" {
  module = "absent"
  input "series" { select = "rabbitmq_queue_messages_ready" }
  input "targets" { select = "up{job='rabbitmq'}" }
  params { by = ["queue"] }
  for         = "2m"
  labels      = { severity = "warning" }
  annotations = { summary = "the queue {{ $labels.queue }} is gone for {{ $value | humanizeDuration }}" }
}
