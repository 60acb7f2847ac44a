rule "Down" {
  module = "threshold"
  params { above = 0 }
}
notifier "webhook" "x" { url = "https://example.org" }
route { to = [notifier.webhook.x] }

inhibit {
  source = ["alertname='ClusterDown'"]
  target = ["alertname=~'.+'"]
  equal  = ["cluster"]
}
inhibit {
  source = ["severity=~'critical|warning'"]
  target = ["severity='warning'", "team='a'"]
}
inhibit {
  source = []
  target = ["severity='info'"]
  equal  = ["cluster", "not a label", "cluster"]
}
inhibit {
  source = ["alertname='A'"]
  target = ["alertname='B'", "team='b'"]
}
inhibit {
  source = ["alertname='B'"]
  target = ["alertname='C'"]
}
inhibit {
  source = ["alertname='C'", "team='c'"]
  target = ["alertname='A'"]
}
inhibit {
  target = ["severity='info"]
}
