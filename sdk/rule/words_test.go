package rule_test

import (
	"math"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

func TestAppendDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 250 * time.Millisecond: "250ms", 12*time.Second + time.Millisecond: "12s", 5 * time.Minute: "5m", 65 * time.Second: "1m5s",
		150*time.Minute + time.Second: "2h30m", 24 * time.Hour: "1d", 76 * time.Hour: "3d4h", -time.Minute: "-1m",
		math.MaxInt64: "106751d23h", math.MinInt64: "-106751d23h",
	} {
		if got := string(rule.AppendDuration(nil, d)); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}
