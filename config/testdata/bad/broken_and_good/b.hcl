rule "A" {
  module = "threshold"
  params { above = "much" }
}
locals { a = var.maybe_in_the_broken_file }
source "http" "gateway" { targets = [] }
