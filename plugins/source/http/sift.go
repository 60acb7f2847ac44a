package httpsource

import "google.golang.org/protobuf/encoding/protowire"

// Prometheus' parser removes empty buckets from native histograms in quadratic time. What it gets is bounded: a
// histogram that is meant well has some hundred buckets.
const (
	maxParsedBuckets = 2048 // of one histogram, and spans
	maxPageBuckets   = 4_000_000
)

// histograms returns the families of a page that are of histograms, without those that have very many native buckets, or
// more than left together with those before; then short is true. A page that is broken is cut there.
func histograms(in []byte, left int) (found []byte, short bool) {
	const histogram, gaugeHistogram = 4, 5
	var kept []byte
	for len(in) > 0 {
		size, n := protowire.ConsumeVarint(in)
		if n < 0 || size > uint64(len(in)-n) {
			break
		}
		family := in[n : n+int(size)]
		in = in[n+int(size):]
		if kind := typeOf(family); kind != histogram && kind != gaugeHistogram {
			continue
		}
		kept = kept[:0]
		metrics := 0
		for field, value := range fields(family) {
			if field.number == metricField && field.kind == protowire.BytesType {
				n := nativeBuckets(value)
				if n > maxParsedBuckets || n > left {
					short = true
					continue
				}
				left -= n
				metrics++
			}
			kept = append(kept, field.bytes...)
		}
		if metrics > 0 {
			found = append(protowire.AppendVarint(found, uint64(len(kept))), kept...)
		}
	}
	return found, short
}

// Field numbers of the messages of https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
const (
	typeField      = 3 // of MetricFamily
	metricField    = 4
	histogramField = 7 // of Metric
	negativeSpan   = 9 // of Histogram
	negativeDelta  = 10
	negativeCount  = 11
	positiveSpan   = 12
	positiveDelta  = 13
	positiveCount  = 14
)

// typeOf is the type of a MetricFamily. Of a field that is there twice the last counts.
func typeOf(family []byte) (kind uint64) {
	for field, value := range fields(family) {
		if field.number == typeField && field.kind == protowire.VarintType {
			kind, _ = protowire.ConsumeVarint(value)
		}
	}
	return kind
}

// nativeBuckets counts spans and buckets of a Metric.
func nativeBuckets(metric []byte) (n int) {
	for field, histogram := range fields(metric) {
		if field.number != histogramField || field.kind != protowire.BytesType {
			continue
		}
		for field, value := range fields(histogram) {
			packed := field.kind == protowire.BytesType
			switch field.number {
			case negativeSpan, positiveSpan:
				n++
			case negativeCount, positiveCount:
				n++
				if packed {
					n += len(value) / 8
				}
			case negativeDelta, positiveDelta:
				for _, b := range value {
					n += int(1 - b>>7) // the last byte of a number
				}
			}
		}
	}
	return n
}

// field is one field of a message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte // all of it
}

// fields ranges over the fields of a message with their values, those of BytesType without their length, up to where it
// is broken.
func fields(message []byte) func(yield func(field, []byte) bool) {
	return func(yield func(field, []byte) bool) {
		for len(message) > 0 {
			number, kind, n := protowire.ConsumeField(message)
			if n < 0 {
				return
			}
			_, _, tag := protowire.ConsumeTag(message)
			value := message[tag:n]
			if kind == protowire.BytesType {
				value, _ = protowire.ConsumeBytes(value)
			}
			if !yield(field{number, kind, message[:n]}, value) {
				return
			}
			message = message[n:]
		}
	}
}
