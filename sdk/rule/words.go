package rule

import (
	"math"
	"strconv"
	"time"
)

// AppendDuration appends a duration as people say it, its two largest units: 3d4h, 2h30m, 5m, 12s, 250ms.
func AppendDuration(b []byte, d time.Duration) []byte {
	if d < 0 {
		return AppendDuration(append(b, '-'), -max(d, -math.MaxInt64))
	}
	units := [...]struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}}
	last := len(units) - 1
	for i := range last {
		if d < units[i].size {
			continue
		}
		if i+1 == last { // of seconds no milliseconds
			return append(strconv.AppendInt(b, int64(d/units[i].size), 10), units[i].name...)
		}
		b = append(strconv.AppendInt(b, int64(d/units[i].size), 10), units[i].name...)
		if rest := d % units[i].size / units[i+1].size; rest > 0 {
			b = append(strconv.AppendInt(b, int64(rest), 10), units[i+1].name...)
		}
		return b
	}
	return append(strconv.AppendInt(b, int64(d/units[last].size), 10), units[last].name...)
}
