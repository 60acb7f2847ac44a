notifier "webhook" "x" { url = "https://example.org"
