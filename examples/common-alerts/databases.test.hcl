locals {
  config = ["tocsin.hcl", "databases.hcl"]
}

test "databases in trouble" {
  config = local.config
  series "http.postgres" {
    samples = {
      "pg_up"                                                 = "1x3 0x60"
      "pg_stat_activity_count{datname='shop',state='active'}" = "60x60"
      "pg_stat_activity_count{datname='shop',state='idle'}"   = "30x60"
      "pg_settings_max_connections{server='10.0.0.4:5432'}"   = "100x60"
      "pg_replication_lag_seconds"                            = "5x3 45 45 5 45 45 45 45x60"
    }
  }
  series "http.redis" {
    samples = {
      "redis_memory_used_bytes"                      = "9.5e8x60"
      "redis_memory_max_bytes"                       = "1e9x60"
      "redis_master_link_up{master_host='10.0.0.9'}" = "0x60"
    }
  }
  transitions "PostgresReplicationLag" { states = { "2m" = "firing" } }
  at "10m" {
    only = true
    alert "PostgresDown" { state = "firing" }
    alert "PostgresConnections" {
      labels      = { instance = "10.0.0.4:9187" }
      state       = "firing"
      annotations = { summary = "10.0.0.4:9187: 90% of connections are taken" }
    }
    alert "PostgresReplicationLag" { state = "firing" }
    alert "RedisMemory" {
      state       = "firing"
      annotations = { summary = "10.0.0.5:9121: 95% of maxmemory" }
    }
    alert "RedisReplicationBroken" { state = "firing" }
  }
}

test "databases that are well" {
  config = local.config
  series "http.postgres" {
    samples = {
      "pg_up"                                                 = "1x60"
      "pg_stat_activity_count{datname='shop',state='active'}" = "10x60"
      "pg_settings_max_connections{server='10.0.0.4:5432'}"   = "100x60"
      "pg_replication_lag_seconds"                            = "0 45 0 0 45 0 0 0 45 0x50"
    }
  }
  series "http.redis" {
    samples = { # no limit, and it is a master itself
      "redis_memory_used_bytes" = "9.5e8x60"
      "redis_memory_max_bytes"  = "0x60"
    }
  }
  at "14m" { only = true }
  notifications = { "pagerduty.oncall" = 0 }
}

test "a database that was down is down while its exporter is silent" {
  config = local.config
  series "http.postgres" {
    samples = { "pg_up" = "0x100" }
  }
  fault "scrape" {
    source = "http.postgres"
    from   = "5m"
  }
  at "20m" {
    alert "PostgresDown" {
      state   = "firing"
      unknown = true
    }
  }
}

test "a queue grows, and is worked off" {
  config = local.config
  series "http.rabbitmq" {
    samples = {
      "rabbitmq_queue_messages_ready{queue='orders'}" = "0+300x120 36000-300x120"
      "rabbitmq_queue_messages_ready{queue='mails'}"  = "50x240"
    }
  }
  transitions "QueueGrows" {
    labels = { queue = "orders" }
    states = {
      "23m30s" = "pending" # 100,000 in less than an hour from here on
      "28m30s" = "firing"
      "35m15s" = "resolved"
    }
  }
  transitions "QueueGrows" {
    labels = { queue = "mails" }
    states = {}
  }
}
