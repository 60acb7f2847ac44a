notifier "webhook" "x" { url = "https://example.org" }
rule "A" {
  module = "threshold"
  params { above = 1 }
}
