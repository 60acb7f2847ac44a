rule "A" {
  module = "threshold"
  params { above = "much" }
}
