notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route {
  to = [notifier.pagerduty.onkall]
  route {
    match = ["team='db'"]
    to    = [notifier.pagerdty.oncall, notifier.slack.oncall, notifier.webhook.nothing_like_it]
  }
  route {
    match = ["team='web'"]
    to    = ["oncall", notifier.pagerduty.oncall, notifier.pagerduty.oncall]
  }
}
