source "http" "k8s" {
  interval = "15s"
  dns_sd { names = ["nowhere.example.org"] }
}
rule "Found" {
  module = "threshold"
  input "series" { select = "load" }
  params { value = 10 }
}
notifier "webhook" "hook" { url = sensitive("https://hooks.example.org/secret-path-0123456789") }
route {
  to       = [notifier.webhook.hook]
  group_by = ["alertname"]
}
