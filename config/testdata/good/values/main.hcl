variable "from_env" {}
variable "from_file" { default = "of the default" }
variable "from_both" { default = "of the default" }
variable "list" { default = ["of the default"] }
variable "optional" {
  type    = string
  default = null
}
variable "number" { type = number }

rule "Values" {
  module = "threshold"
  params { above = var.number }
  annotations = {
    env     = var.from_env
    file    = var.from_file
    both    = var.from_both
    list    = join("+", var.list)
    default = coalesce(var.optional, env("NOT_SET", "of env"))
    open    = nonsensitive(env("SHORT"))
    if      = "%{if var.number > 1}many%{else}one%{endif}"
    for     = join(",", [for i, v in sort(var.list) : "${i}${upper(v)}"])
    try     = try(local.none.x, "tried")
    lookup  = lookup({ a = "looked up" }, "a", "")
    text    = <<-END
      {{ range $i, $v := args 1 2 }}{{ $v }}{{ end }}
    END
  }
}

locals {
  none = {}
}

notifier "webhook" "ops" { url = null == var.optional ? "https://ops.example.org/alerts" : var.optional }
route { to = values(notifier.webhook) }
