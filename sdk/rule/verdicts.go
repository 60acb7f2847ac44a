package rule

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Instance is what a verdict is about: a series, a group, or anything else that labels can name.
type Instance struct {
	series uint32
	labels frame.Labels
	id     uint64
}

// Whole is the rule as one instance without labels.
func Whole() Instance { return Of() }

// Of is the instance that these labels name.
func Of(labels ...frame.Label) Instance {
	set := frame.NewLabels(labels...)
	return Instance{series: abi.NoIndex, labels: set, id: set.Hash()}
}

// ID is a hash of what names the instance, the same in every evaluation: the key for what a rule remembers.
func (i Instance) ID() uint64 { return i.id }

// With is the instance with further labels.
func (i Instance) With(labels ...frame.Label) Instance {
	i.labels = frame.NewLabels(slices.Concat(i.labels, labels)...)
	i.id = i.id*31 + i.labels.Hash()
	return i
}

// Status is what a verdict says of an instance.
type Status = abi.Status

// The statuses.
const (
	Healthy = abi.Healthy // evidence that all is well
	Active  = abi.Active  // the condition holds
	Unknown = abi.Unknown // cannot be told from these data
)

// Verdicts takes what a rule has to say. An instance that is left out counts as healthy, but only while all targets of
// the rule's inputs answered; one that is called healthy counts so in any case.
type Verdicts struct {
	w         abi.ResultWriter
	complete  bool
	maxAlerts int
	maxBytes  int
	bytes     int
	dropped   int
}

// sparse is how many verdicts are given before healthy instances that need not be named are left out.
const sparse = 1000

// Detail adds to the verdict that was just given.
type Detail struct{ v *Verdicts }

// Active says that the condition holds.
func (v *Verdicts) Active(i Instance, value float64) Detail { return v.add(i, abi.Active, value) }

// Healthy says that there is evidence that all is well.
func (v *Verdicts) Healthy(i Instance, value float64) Detail {
	if v.complete && v.w.Len() >= sparse {
		return Detail{}
	}
	return v.add(i, abi.Healthy, value)
}

// Unknown says that these data do not tell.
func (v *Verdicts) Unknown(i Instance) Detail { return v.add(i, abi.Unknown, math.NaN()) }

// Judge says what a helper has found out: Active, Healthy or Unknown.
func (v *Verdicts) Judge(i Instance, s Status, value float64) Detail {
	switch s {
	case Active:
		return v.Active(i, value)
	case Healthy:
		return v.Healthy(i, value)
	}
	return v.Unknown(i)
}

func (v *Verdicts) add(i Instance, status abi.Status, value float64) Detail {
	size := 48
	for _, l := range i.labels {
		size += 16 + len(l.Name) + len(l.Value)
	}
	if v.w.Len() >= v.maxAlerts || v.bytes+size > v.maxBytes {
		v.dropped++
		return Detail{}
	}
	v.bytes += size
	v.w.Add(i.series, status, value)
	for _, l := range i.labels {
		v.w.Label(l.Name, l.Value)
	}
	return Detail{v}
}

// Len is the number of verdicts given.
func (v *Verdicts) Len() int { return v.w.Len() }

// Threshold says what the value was compared with.
func (d Detail) Threshold(t float64) Detail {
	if d.v != nil {
		d.v.w.Threshold(t)
	}
	return d
}

// Text explains the verdict in words, at most 4 KiB of them.
func (d Detail) Text(s string) Detail {
	const most = 4 << 10
	if n := most; len(s) > most {
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if d.v != nil && d.v.bytes+len(s) <= d.v.maxBytes {
		d.v.bytes += len(s)
		d.v.w.Text(s)
	}
	return d
}

// Severity overrides the severity of the configuration: 1 is the mildest.
func (d Detail) Severity(s uint8) Detail {
	if d.v != nil {
		d.v.w.Severity(s)
	}
	return d
}

func (v *Verdicts) reset(complete bool, maxAlerts, maxBytes int) {
	v.w.Reset()
	v.complete, v.maxAlerts, v.maxBytes = complete, maxAlerts, maxBytes
	v.bytes, v.dropped = 64, 0
}
