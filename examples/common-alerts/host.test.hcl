locals {
  config = ["tocsin.hcl", "host.hcl"]
  size   = "node_filesystem_size_bytes{device='/dev/sda1',fstype='ext4',mountpoint='/'}"
  avail  = "node_filesystem_avail_bytes{device='/dev/sda1',fstype='ext4',mountpoint='/'}"
}

test "a host in trouble" {
  config = local.config
  series "http.node" {
    samples = {
      "node_cpu_seconds_total{cpu='0',mode='idle'}" = "0+0.6x80"
      "node_cpu_seconds_total{cpu='0',mode='user'}" = "0+14.4x80"
      "node_memory_MemAvailable_bytes"              = "5e8x80"
      "node_memory_MemTotal_bytes"                  = "8e9x80"
      "node_timex_offset_seconds"                   = "-0.08x80"
      (local.avail)                                 = "1e9x80"
      (local.size)                                  = "2e10x80"
    }
  }
  at "18m" {
    only = true
    alert "HostHighCPU" {
      state       = "firing"
      annotations = { summary = "10.0.0.1:9100 is 96% busy" }
    }
    alert "HostMemoryLow" {
      state       = "firing"
      annotations = { summary = "10.0.0.1:9100: 6.25% of memory left" }
    }
    alert "ClockSkew" {
      state       = "firing"
      annotations = { summary = "10.0.0.1:9100: the clock is 80ms off" }
    }
    alert "FilesystemAlmostFull" {
      state       = "firing"
      annotations = { summary = "10.0.0.1:9100 /: 5% left" }
    }
  }
}

test "a host that is well" {
  config = local.config
  series "http.node" {
    samples = {
      "node_cpu_seconds_total{cpu='0',mode='idle'}"   = "0+10x80"
      "node_cpu_seconds_total{cpu='0',mode='iowait'}" = "0+4x80"
      "node_cpu_seconds_total{cpu='0',mode='user'}"   = "0+1x80"
      "node_memory_MemAvailable_bytes"                = "5e9x80"
      "node_memory_MemTotal_bytes"                    = "8e9x80"
      "node_timex_offset_seconds"                     = "0.001x80"
      (local.avail)                                   = "1e10x80"
      (local.size)                                    = "2e10x80"
    }
  }
  at "18m" { only = true }
  notifications = { "pagerduty.oncall" = 0 }
}

test "a filesystem that fills up, and is emptied" {
  config = local.config
  series "http.node" {
    samples = { # from 35 % left, 1.44 GB an hour
      (local.avail) = "7e9-6e6x400 7e9x200"
      (local.size)  = "2e10x600"
    }
  }
  transitions "FilesystemFullIn4Hours" {
    states = {
      "51m45s"   = "pending" # full in less than four hours from here on
      "1h1m45s"  = "firing"
      "1h41m30s" = "resolved"
    }
  }
  transitions "FilesystemAlmostFull" { states = {} }
}

test "a full filesystem stays one while its host is silent, and until there is some room" {
  config = local.config
  series "http.node" {
    samples = {
      (local.avail) = "1e9x119 2.4e9x40 4e9x80"
      (local.size)  = "2e10x239"
    }
  }
  fault "scrape" {
    source = "http.node"
    from   = "10m"
    to     = "25m"
  }
  at "20m" {
    alert "FilesystemAlmostFull" {
      state   = "firing"
      unknown = true
    }
  }
  transitions "FilesystemAlmostFull" {
    states = { "0s" = "pending", "5m" = "firing", "40m15s" = "resolved" }
  }
}
