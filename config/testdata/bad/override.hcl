rule "Down" {
  module = "threshold"
  params { above = 0 }
}
notifier "webhook" "x" { url = "https://example.org" }
route { to = [notifier.webhook.x] }

override "Down" {
  match = ["endpoint=~'/critical/.*'"]
  params { above = 1 }
}
override "Down" {
  match = ["endpoint=~'/critical/.*'", "region='eu'"]
  params { above = "high" }
}
override "Down" {
  match = []
  params { abvoe = 1 }
}
override "Down" {
  match = ["a='b'"]
}
override "Dwon" {
  match = ["a='b'"]
  params { above = 1 }
}
rule "Expression" { promql = "up == 0" }
override "Expression" {
  match = ["job='x'"]
  params { above = 1 }
}
