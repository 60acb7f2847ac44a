locals {
  rack = { for i in range(12) : "host_dark{host='h${i}'}" => "0x8 1x60 0x40" }
}

test "the sixth page stands for the others, and is closed as they are" {
  series "http.node" { samples = local.rack }
  fault "crash" { at = "10m" }

  notification "pagerduty.oncall" { contains = ["trigger", "is dark"] }
  notification "pagerduty.oncall" { contains = ["trigger", "is dark"] }
  notification "pagerduty.oncall" { contains = ["trigger", "is dark"] }
  notification "pagerduty.oncall" { contains = ["trigger", "is dark"] }
  notification "pagerduty.oncall" { contains = ["trigger", "is dark"] }
  notification "pagerduty.oncall" {
    at       = "3m"
    contains = ["trigger", "Storm: 7 alerts in 7 groups are told by this page alone"]
  }
  # all at once, in any order
  notification "pagerduty.oncall" { contains = ["resolve"] }
  notification "pagerduty.oncall" { contains = ["resolve"] }
  notification "pagerduty.oncall" { contains = ["resolve"] }
  notification "pagerduty.oncall" { contains = ["resolve"] }
  notification "pagerduty.oncall" { contains = ["resolve"] }
  notification "pagerduty.oncall" { contains = ["resolve"] }
}
