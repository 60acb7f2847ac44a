notifier "webhook" "x" { url = "https://example.org" }
route {
  match    = ["a='b'"]
  continue = true
  group_by = ["alertname", "...", "not a label", "alertname"]
  route {
    to = []
  }
}
