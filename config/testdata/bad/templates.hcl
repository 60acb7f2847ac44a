rule "A" {
  module = "threshold"
  params { above = 1 }
  labels = { severity = "{{ if gt $value 5.0 }}critical{{ else }}warning" }
  annotations = {
    a = "{{ $labels.x | humanzie }}"
    b = "{{ $lables.x }}"
    c = "{{ $value "
    d = <<-END
      first line
      {{ $labels.x }}
      {{ end }}
    END
    e = "{{ nothing_like_it 1 }} and nothing_like_it"
    f = "{{ $labels.x | humanizePercentage }} {{ externalURL }} {{ $externalURL }}"
  }
}
notifier "pagerduty" "x" {
  routing_key = env("PD_KEY")
  title       = "{{ .GroupLabels.alertname "
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
