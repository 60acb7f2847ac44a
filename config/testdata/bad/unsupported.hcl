engine {
  external_expiry = "unknown"
  unknown_after   = "10m"
}
rule "A" {
  module     = "threshold"
  params { above = 1 }
}
notifier "webhook" "x" { url = "https://example.org" }
route {
  to = [notifier.webhook.x]
  route {
    match = ["a='b'"]
    fallback {
      after = "2m"
      to    = [notifier.webhook.x]
    }
  }
}
