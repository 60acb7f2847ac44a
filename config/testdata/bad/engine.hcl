engine {
  listen       = "9095"
  external_url = "tocsin.example.org"
  plugin_dir   = "plugins"
  debug        = "maybe"
  data_dirr    = "x"
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
