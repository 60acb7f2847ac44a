notifier "webhook" "x" { url = "https://example.org" }
route { to = [notifier.webhook.x] }
route { to = [notifier.webhook.x] }
