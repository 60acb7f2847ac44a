source "http" "gateway" {
  targets = ["a:1"]
  basic_auth {
    username = "a"
    password = env("PD_KEY")
    passwort = "hunter2-hunter2"
  }
  basic_auth {
    username = "b"
    password = env("PD_KEY")
  }
  basic_auht {}
  dynamic "param" {
    for_each = ["a"]
    content {
      name = param.value
    }
  }
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
