package abi

// reduceNames are the names in manifests and struct tags, by number on the wire.
var reduceNames = [...]string{
	"raw", "last", "increase", "rate", "delta", "avg", "min", "max", "sum", "count", "stddev", "quantile",
}

func (r Reduce) String() string {
	if int(r) < len(reduceNames) {
		return reduceNames[r]
	}
	return "unknown"
}

// ParseReduce finds a reduction by its name; "" is raw.
func ParseReduce(name string) (Reduce, bool) {
	if name == "" {
		return Raw, true
	}
	for i, n := range reduceNames {
		if n == name {
			return Reduce(i), true
		}
	}
	return Raw, false
}
