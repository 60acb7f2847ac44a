notifier "webhook" "x" { url = "https://example.org" }
route {
  to              = notifier.webhook.x
  group_wait      = 30
  group_interval  = "0s"
  repeat_interval = "4 hours"
  route {
    to       = [notifier.webhook]
    continue = "perhaps"
    match    = "a='b'"
  }
}
