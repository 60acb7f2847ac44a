notifier "webhook" "x" { url = "https://example.org" }
route {
  to = [notifier.webhook.x]
  route { match = ["severity=critical"] }
  route { match = ["severity='critical", "team=~'a('"] }
  route { match = ["severity"] }
  route { match = ["", "a='b' or c='d'"] }
  route { match = ["{team='a'}, x='y'"] }
}
