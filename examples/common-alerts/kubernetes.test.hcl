locals {
  config   = ["tocsin.hcl", "kubernetes.hcl"]
  restarts = "kube_pod_container_status_restarts_total{namespace='shop',pod='web-1',container='app'}"
  backup   = "kube_cronjob_status_last_successful_time{namespace='db',cronjob='backup'}"
}

test "a cluster in trouble" {
  config = local.config
  series "http.kube_state" {
    samples = {
      (local.restarts)                                                                   = "2x3 3x3 4x3 5x100"
      "kube_deployment_status_replicas_available{namespace='shop',deployment='web'}"     = "1x100"
      "kube_deployment_spec_replicas{namespace='shop',deployment='web'}"                 = "2x100"
      "kube_job_status_failed{namespace='shop',job_name='import',reason='BackoffLimit'}" = "0x3 1x100"
      "kube_node_status_condition{node='n1',condition='Ready',status='true'}"            = "0x100"
      (local.backup)                                                                     = "1767100000x100" # 25h55m before the start
    }
  }
  transitions "PodCrashLooping" {
    labels = { pod = "web-1" }
    states = { "3m" = "firing", "16m" = "resolved" }
  }
  at "12m" {
    only = true
    alert "PodCrashLooping" { state = "firing" }
    alert "DeploymentReplicasMissing" {
      state       = "firing"
      annotations = { summary = "shop/web: 50% of its replicas are available" }
    }
    alert "JobFailed" { state = "firing" }
    alert "NodeNotReady" { state = "firing" }
    alert "BackupTooOld" { state = "firing" }
  }
}

test "a cluster that is well" {
  config = local.config
  series "http.kube_state" {
    samples = {
      (local.restarts)                                                               = "2x60 3x60"
      "kube_deployment_status_replicas_available{namespace='shop',deployment='web'}" = "2x120"
      "kube_deployment_spec_replicas{namespace='shop',deployment='web'}"             = "2x120"
      "kube_deployment_status_replicas_available{namespace='shop',deployment='off'}" = "0x120"
      "kube_deployment_spec_replicas{namespace='shop',deployment='off'}"             = "0x120"
      "kube_job_status_failed{namespace='shop',job_name='import'}"                   = "0x120"
      "kube_node_status_condition{node='n1',condition='Ready',status='true'}"        = "1x120"
      (local.backup)                                                                 = "1767200000x120"
    }
  }
  at "29m" { only = true }
  notifications = { "pagerduty.oncall" = 0 }
}

test "nothing is seen of the cluster for a while" {
  config = local.config
  series "http.kube_state" {
    samples = {
      "kube_node_status_condition{node='n1',condition='Ready',status='true'}" = "0x200"
      "kube_node_status_condition{node='n2',condition='Ready',status='true'}" = "1x200"
    }
  }
  fault "scrape" {
    source = "http.kube_state"
    from   = "10m"
    to     = "30m"
  }
  at "29m" {
    only = true
    alert "NodeNotReady" {
      labels  = { node = "n1" }
      state   = "firing"
      unknown = true
    }
  }
  notifications = { "pagerduty.oncall" = 1 }
}
