# Databases and queues.

rule "PostgresDown" {
  module = "threshold"
  input "series" { select = "pg_up" }
  params {
    op    = "=="
    value = 0
  }
  for         = "1m"
  labels      = { severity = "critical" }
  annotations = { summary = "PostgreSQL at {{ $labels.instance }} does not answer its exporter" }
}

rule "PostgresConnections" {
  module = "threshold"
  input "series" { select = "pg_stat_activity_count" }
  input "total" { select = "pg_settings_max_connections" }
  params {
    aggregate = "sum" # over databases and states
    by        = ["instance"]
    value     = 0.8
  }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }}: {{ $value | humanizePercentage }} of connections are taken" }
}

rule "PostgresReplicationLag" {
  module = "threshold"
  input "series" { select = "pg_replication_lag_seconds" }
  params {
    value    = 30
    at_least = 4
    of       = 6 # it jumps: four of the last six evaluations
  }
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }} lags {{ $value | humanizeDuration }} behind" }
}

rule "RedisMemory" {
  module = "threshold"
  input "series" { select = "redis_memory_used_bytes" }
  input "total" { select = "redis_memory_max_bytes" } # 0, which is no limit, is no total either
  params { value = 0.9 }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }}: {{ $value | humanizePercentage }} of maxmemory" }
}

rule "RedisReplicationBroken" {
  module = "threshold"
  input "series" { select = "redis_master_link_up" }
  params {
    op    = "=="
    value = 0
  }
  for         = "2m"
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.instance }} has lost its master" }
}

rule "QueueGrows" {
  module = "predict"
  input "series" {
    select = "rabbitmq_queue_messages_ready"
    window = "30m"
  }
  params {
    from   = "below"
    limit  = 100000
    within = "1h"
    near   = 10000 # a queue with fewer may grow for a while
  }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.queue }} has 100,000 messages in {{ $value | humanizeDuration }}" }
}
