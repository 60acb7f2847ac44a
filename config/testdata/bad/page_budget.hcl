source "http" "gateway" { targets = ["a:1"] }
notifier "webhook" "a" {
  url = "https://a.example.org"
  page_budget {
    pages = 0
    per   = "10s"
  }
}
notifier "webhook" "b" {
  url = "https://b.example.org"
  page_budget { pages = 1.5 }
  page_budget {
    pages  = 20
    per    = "10m"
    budget = 1
  }
}
route { to = [notifier.webhook.a, notifier.webhook.b] }
