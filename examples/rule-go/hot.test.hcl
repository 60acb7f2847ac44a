# tocsin test . runs this: minutes pass in milliseconds.

test "a room that gets too warm is told of, and the one beside it is not" {
  duration      = "10m"
  notifications = { "webhook.ops" = 2 } # that it fires, and that it is over
  series "http.sensors" {
    samples = {
      "temperature_celsius{room='a'}" = "70x4 95x11 70x8"
      "temperature_celsius{room='b'}" = "20x24"
    }
  }
  transitions "Hot" {
    labels = { room = "a" }
    states = { "75s" = "pending", "105s" = "firing", "4m15s" = "resolved" }
  }
  transitions "Hot" {
    labels = { room = "b" }
    states = {}
  }
}
