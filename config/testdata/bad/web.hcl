engine { listen = "0.0.0.0:9095" }
web {
  tls {
    cert_file      = "server.pem"
    client_ca_file = "ca.pem"
    min_version    = "TLS11"
  }
  user "admin" {
    password_hash = "hunter2-hunter2"
    scopes        = ["everything"]
  }
  user "plain" {
    password_hash = "hunter3-hunter3"
    scopes        = ["admin"]
  }
  token "short" {
    value  = "tooshort"
    scopes = ["read"]
  }
  token "short" { scopes = [] }
  token "idle" { scopes = [] }
  cookie "x" {}
}
web {}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
