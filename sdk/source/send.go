package source

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

// Bounds of a message.
const (
	partBytes = 768 << 10    // of strings and label indexes; with what is around them below 1 MiB, unless a single series is larger
	rowBytes  = 32<<10 - 128 // of values and times: whole messages then fit the 32 KiB buffers of gRPC; the next are of 1 MiB
)

// sentLayouts gives each layout of a target a number, its epoch. The engine says which one it knows. The zero value
// is ready.
type sentLayouts struct {
	mu      sync.Mutex
	last    uint64 // epoch given
	targets map[string]sentLayout
}

type sentLayout struct {
	layout *frame.Layout
	epoch  uint64
	used   time.Time
}

const forgetTarget = 30 * time.Minute // without a collection: it was removed

// note notes the layout of a target's collection and returns its epoch, a new one when the target's columns changed.
// before is the layout of the epoch that the engine knows, nil if it is not the one that was noted last.
func (s *sentLayouts) note(target string, layout *frame.Layout, known uint64, now time.Time) (epoch uint64, before *frame.Layout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, ok := s.targets[target]
	if !ok {
		s.forget(now)
	}
	if entry.epoch == known {
		before = entry.layout
	}
	if !layout.Equal(entry.layout) {
		if s.last == 0 { // not from 1: an engine must not take ours for those of an earlier process
			s.last = rand.Uint64() >> 1
		}
		s.last++
		entry.epoch = s.last
	}
	entry.layout, entry.used = layout, now
	s.targets[target] = entry
	return entry.epoch, before
}

// forget drops targets that are no longer collected; it runs when there is a new one, so the map cannot grow for ever.
func (s *sentLayouts) forget(now time.Time) {
	if s.targets == nil {
		s.targets = map[string]sentLayout{}
	}
	for target, entry := range s.targets {
		if now.Sub(entry.used) > forgetTarget {
			delete(s.targets, target)
		}
	}
}

type collectStream = grpc.ServerStreamingServer[pluginpb.CollectResponse]

// sendLayout sends the layout in parts, as what differs from the one before if that is not nil; one without series is one
// empty part.
func sendLayout(stream collectStream, epoch uint64, layout, before *frame.Layout) error {
	places := placesIn(before, layout)
	for first := 0; first == 0 || first < len(layout.Series); {
		part, n := layoutPart(epoch, first, layout.Series[first:], places[first:])
		if err := stream.Send(&pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_Layout{Layout: part}}); err != nil {
			return err
		}
		if first += n; n == 0 {
			break
		}
	}
	return nil
}

// layoutPart encodes as many of the series as a message may hold, at least one, and tells how many. places says which
// column of the layout before each of them has, absent for none.
func layoutPart(epoch uint64, first int, series []frame.Series, places []int) (*pluginpb.LayoutPart, int) {
	part := &pluginpb.LayoutPart{Epoch: epoch, First: uint64(first)}
	index := map[string]uint32{}
	size := 0
	intern := func(s string) uint32 {
		i, ok := index[s]
		if !ok {
			i = uint32(len(part.Strings))
			index[s] = i
			part.Strings = append(part.Strings, s)
			size += len(s) + 6
		}
		return i
	}
	n, named := 0, uint32(0) // since the last column that was taken
	for ; n < len(series) && size < partBytes; n++ {
		if places[n] != absent {
			if n > 0 && places[n-1] != absent && places[n] == places[n-1]+1 {
				part.Taken[len(part.Taken)-1]++
			} else {
				part.Taken = append(part.Taken, named, uint32(places[n]), 1)
				size += 15
			}
			named = 0
			continue
		}
		named++
		s := &series[n]
		for _, l := range s.Labels {
			part.Labels = append(part.Labels, intern(l.Name), intern(l.Value))
		}
		part.LabelCounts = append(part.LabelCounts, uint32(len(s.Labels)))
		part.Kinds = append(part.Kinds, byte(s.Kind))
		size += 6*len(s.Labels) + 2
	}
	return part, n
}

// sendRow sends the values in parts.
func sendRow(stream collectStream, f *frame.Frame) error {
	most := rowBytes / 8
	if f.Times != nil {
		most /= 2
	}
	for first := 0; first < len(f.Values); first += most {
		end := min(first+most, len(f.Values))
		part := &pluginpb.RowPart{First: uint64(first), Values: make([]byte, 0, 8*(end-first))}
		for _, v := range f.Values[first:end] {
			part.Values = binary.LittleEndian.AppendUint64(part.Values, math.Float64bits(v))
		}
		if f.Times != nil {
			part.Times = make([]byte, 0, 8*(end-first))
			for _, t := range f.Times[first:end] {
				part.Times = binary.LittleEndian.AppendUint64(part.Times, uint64(t))
			}
		}
		if err := stream.Send(&pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_Row{Row: part}}); err != nil {
			return err
		}
	}
	return nil
}
