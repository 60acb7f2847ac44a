# Hosts, by node_exporter.

rule "HostHighCPU" {
  module = "error_rate" # the share of what counters gain: here of seconds, in all modes but three
  input "requests" {
    select = "node_cpu_seconds_total"
    window = "5m"
  }
  params {
    errors    = "mode!~'idle|iowait|steal'"
    by        = ["instance"]
    threshold = 0.9
  }
  for         = "10m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }} is {{ $value | humanizePercentage }} busy" }
}

rule "HostMemoryLow" {
  module = "threshold"
  input "series" { select = "node_memory_MemAvailable_bytes" }
  input "total" { select = "node_memory_MemTotal_bytes" }
  params {
    op    = "<"
    value = 0.1
  }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }}: {{ $value | humanizePercentage }} of memory left" }
}

rule "FilesystemAlmostFull" {
  module = "threshold"
  input "series" { select = "node_filesystem_avail_bytes{fstype!~'tmpfs|ramfs'}" }
  input "total" { select = "node_filesystem_size_bytes{fstype!~'tmpfs|ramfs'}" }
  params {
    op    = "<"
    value = 0.10
    clear = 0.15 # so that a log file does not make it flap
  }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }} {{ $labels.mountpoint }}: {{ $value | humanizePercentage }} left" }
}

rule "FilesystemFullIn4Hours" {
  module = "predict"
  input "series" {
    select = "node_filesystem_avail_bytes{fstype!~'tmpfs|ramfs'}"
    window = "1h"
  }
  input "total" { select = "node_filesystem_size_bytes{fstype!~'tmpfs|ramfs'}" }
  params {
    within = "4h"
    near   = 0.4 # with more than 40 % left there is time until tomorrow
  }
  for         = "10m"
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.instance }} {{ $labels.mountpoint }} is full in {{ $value | humanizeDuration }}" }
}

rule "ClockSkew" {
  module = "threshold"
  input "series" { select = "node_timex_offset_seconds" }
  params {
    as    = "magnitude" # ahead or behind
    value = 0.05
  }
  for         = "10m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }}: the clock is {{ $value | humanizeDuration }} off" }
}
