rule "A" {
  module = "threshold"
}
route { to = [notifier.webhook.y] }
