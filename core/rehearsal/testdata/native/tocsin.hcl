source "http" "shop" {
  targets                  = ["10.0.0.1:80"]
  interval                 = "15s"
  scrape_native_histograms = true
}

rule "SlowByModule" {
  module = "latency"
  input "buckets" {
    select = "latency_seconds"
    window = "1m"
  }
  params {
    quantile  = 0.9
    threshold = 3
    by        = ["path"]
  }
  annotations = { summary = "{{ $value | printf \"%.3f\" }}" }
}
rule "SlowByExpression" {
  promql      = "histogram_quantile(0.9, sum by (path) (rate(latency_seconds[1m]))) > 3"
  annotations = { summary = "{{ $value | printf \"%.3f\" }}" }
}

notifier "webhook" "hook" { url = sensitive("https://hooks.example.org/secret-path-0123456789") }
route { to = [notifier.webhook.hook] }
