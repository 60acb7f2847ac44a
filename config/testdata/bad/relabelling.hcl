source "http" "a" {
  relabel {
    source_label = ["__address__"]
    target_label = "x"
  }
  relabel { regex = "(" }
  relabel {
    action = "replce"
    target_label = "x"
  }
  metric_relabel { action = "keepequal" }
  metric_relabel {
    action  = "hashmod"
    modulus = 0
  }
  sample_limit = -1
  limit_action = "drop"
  targets      = ["a:1"]
}

source "http" "b" {
  file_sd { password = "topsecret" }
  dns_sd { names = ["x"] }
}

source "http" "nothing" {
  interval = "1s"
}
