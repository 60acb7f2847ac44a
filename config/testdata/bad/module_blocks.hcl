module "a" {
  path   = ""
  sha256 = "abc"
  memory = "lots"
  fuel   = -1
}
module "b" { memory = "64GiB" }
plugin "source" "x" {
  sha256 = "zz"
  env    = ["HTTPS_PROXY=http://proxy"]
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
