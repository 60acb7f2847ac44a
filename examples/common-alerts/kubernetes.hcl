# Kubernetes, by kube-state-metrics.

rule "PodCrashLooping" {
  module = "threshold"
  input "series" {
    select = "kube_pod_container_status_restarts_total"
    window = "15m"
    reduce = "increase"
  }
  params {
    op    = ">="
    value = 3
  }
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.namespace }}/{{ $labels.pod }} ({{ $labels.container }}) restarted {{ $value }} times in 15 minutes" }
}

rule "DeploymentReplicasMissing" {
  module = "threshold"
  input "series" { select = "kube_deployment_status_replicas_available" }
  input "total" { select = "kube_deployment_spec_replicas" }
  params {
    op    = "<"
    value = 1
  }
  for         = "10m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.namespace }}/{{ $labels.deployment }}: {{ $value | humanizePercentage }} of its replicas are available" }
}

rule "JobFailed" {
  module = "threshold"
  input "series" { select = "kube_job_status_failed" }
  params { value = 0 }
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.namespace }}/{{ $labels.job_name }} failed" }
}

rule "NodeNotReady" {
  module = "threshold"
  input "series" { select = "kube_node_status_condition{condition='Ready',status='true'}" }
  params {
    op    = "=="
    value = 0
  }
  for         = "5m"
  labels      = { severity = "critical" }
  annotations = { summary = "node {{ $labels.node }} is not ready" }
}

rule "BackupTooOld" {
  module = "deadman"
  input "series" { select = "kube_cronjob_status_last_successful_time{cronjob=~'.*backup.*'}" }
  params {
    as    = "timestamp"
    after = "26h"
  }
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.namespace }}/{{ $labels.cronjob }}: the last success is {{ $value | humanizeDuration }} old" }
}
