package abi_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

func window() *abi.Window {
	return &abi.Window{
		Flags: abi.WindowFirst, Sequence: 7, Time: 1_700_000_000_123, Generation: 3, IntervalMS: 15_000,
		Inputs: []abi.Input{
			{
				Series: []uint32{0, 2, 1}, Spans: []abi.Span{{Start: 0, Count: 2}, {Start: 2, Count: 1}, {Start: 3}},
				TimeRef: []uint32{0, 1, 0}, Flags: []uint8{abi.FlagNew, abi.FlagCounter | abi.FlagReset, abi.FlagEnded},
				Times: []int64{1000, 2000}, Values: []float64{1, math.Inf(1), -3}, Start: -5, End: 2000,
				TargetsExpected: 4, TargetsAnswered: 3,
			},
			{Reduce: abi.Quantile, ReduceArg: 0.99, Start: 1, End: 2},
		},
	}
}

func encode(w *abi.Window) []byte {
	block := make([]byte, abi.WindowSize(w))
	for i := range block {
		block[i] = 0xaa // what was there before must not show
	}
	abi.PutWindow(block, w)
	return block
}

func TestWindowRoundTrip(t *testing.T) {
	want := window()
	for name, block := range map[string][]byte{
		"aligned":     encode(want),
		"not aligned": append([]byte{0}, encode(want)...)[1:],
	} {
		got := &abi.Window{Inputs: make([]abi.Input, 5)}
		if err := abi.DecodeWindow(block, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if err := want.Inputs[0].Check(3); err != nil {
		t.Error(err)
	}
	if err := want.Inputs[0].Check(2); err == nil {
		t.Error("a series outside the dictionary passes")
	}
}

func TestWindowLayout(t *testing.T) { // the offsets that other languages rely on
	block := encode(window())
	if got := string(block[:4]); got != "TSW1" {
		t.Errorf("magic %q", got)
	}
	for at, want := range map[int]byte{4: 1, 6: 64, 12: 1, 16: 7, 32: 3, 40: 2, 44: 64, 48: 80, 64 + 4: 3, 64 + 48: 2, 64 + 52: 3, 64 + 56: 4, 64 + 60: 3, 144 + 64: 11} {
		if block[at] != want {
			t.Errorf("byte %d is %d, want %d", at, block[at], want)
		}
	}
}

func dictionary(generation uint64, series ...string) *abi.Dictionary {
	d := &abi.Dictionary{Generation: generation}
	for _, s := range series {
		d.Series = append(d.Series, frame.Series{Kind: frame.Counter, Labels: frame.NewLabels(
			frame.Label{Name: frame.MetricName, Value: "up"}, frame.Label{Name: "job", Value: s}, frame.Label{Name: s, Value: "x"})})
	}
	return d
}

func TestDictionaryRoundTrip(t *testing.T) {
	tests := map[string]struct {
		previous, next *abi.Dictionary
		flags          uint32
		remap          []uint32
	}{
		"first":     {nil, dictionary(1, "a", "b"), abi.DictionaryFull, []uint32{abi.NoIndex, abi.NoIndex}},
		"same":      {dictionary(1, "a"), dictionary(2, "a"), abi.DictionaryFull | abi.DictionaryAppendOnly, []uint32{0}},
		"appended":  {dictionary(1, "a"), dictionary(2, "a", "b"), abi.DictionaryFull | abi.DictionaryAppendOnly, []uint32{0, abi.NoIndex}},
		"removed":   {dictionary(1, "a", "b", "c"), dictionary(2, "a", "c"), abi.DictionaryFull, []uint32{0, 2}},
		"reordered": {dictionary(1, "a", "b"), dictionary(2, "b", "a", "n"), abi.DictionaryFull, []uint32{1, 0, abi.NoIndex}},
		"empty":     {dictionary(1, "a"), dictionary(2), abi.DictionaryFull, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			block, err := abi.EncodeDictionary(tt.next, tt.previous)
			if err != nil {
				t.Fatal(err)
			}
			got, err := abi.DecodeDictionary(block)
			if err != nil {
				t.Fatal(err)
			}
			if got.Generation != tt.next.Generation || got.Flags != tt.flags || !slices.Equal(got.Remap, tt.remap) || got.Len() != len(tt.next.Series) {
				t.Errorf("got generation %d, flags %d, remap %d", got.Generation, got.Flags, got.Remap)
			}
			if tt.previous != nil && got.Previous != tt.previous.Generation {
				t.Errorf("got previous generation %d", got.Previous)
			}
			for i, s := range tt.next.Series {
				if !got.Labels(i).Equal(s.Labels) || got.UID[i] != s.Labels.Hash() || got.Kind[i] != uint8(s.Kind) {
					t.Errorf("series %d: got %s, kind %d", i, got.Labels(i), got.Kind[i])
				}
			}
			for _, label := range []string{"a", "job", "nobody"} {
				name, ok := got.Find(label)
				if !ok {
					continue
				}
				for i, value := range got.Column(name, nil) {
					want, has := got.Value(i, name)
					if has != (value != abi.NoIndex) || has && value != want {
						t.Errorf("column %s, series %d: got %d, want %d", label, i, value, want)
					}
				}
			}
		})
	}
}

func TestParams(t *testing.T) {
	low, high := 0.0, 1.0
	attributes := []schema.Attribute{
		{Name: "threshold", Type: schema.Float, Default: 0.05, Min: &low, Max: &high},
		{Name: "by", Type: schema.List(schema.String)},
		{Name: "op", Type: schema.String, Enum: []string{">", "<"}, Default: ">"},
		{Name: "hold", Type: schema.Duration},
		{Name: "n", Type: schema.Int},
		{Name: "on", Type: schema.Bool},
		{Name: "of", Type: schema.Map(schema.Float)},
		{Name: "key", Type: schema.String, Pattern: "^[a-z]*$"},
		{Name: "must", Type: schema.Int, Required: true},
	}
	t.Run("round trip", func(t *testing.T) {
		block, err := abi.EncodeParams(attributes, json.RawMessage(
			`{"by":["a","böse"],"hold":"1d12h","n":-3,"on":true,"of":{"b":2,"a":0.5},"must":1,"key":null}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := abi.DecodeParams(block)
		if err != nil {
			t.Fatal(err)
		}
		want := []abi.Param{
			{Name: "threshold", Type: abi.ParamFloat, Floats: []float64{0.05}},
			{Name: "by", Type: abi.ParamString, Shape: abi.ParamList, Texts: []string{"a", "böse"}},
			{Name: "op", Type: abi.ParamString, Texts: []string{">"}},
			{Name: "hold", Type: abi.ParamDuration, Ints: []int64{36 * 3600 * 1e9}},
			{Name: "n", Type: abi.ParamInt, Ints: []int64{-3}},
			{Name: "on", Type: abi.ParamBool, Bools: []bool{true}},
			{Name: "of", Type: abi.ParamFloat, Shape: abi.ParamMap, Keys: []string{"a", "b"}, Floats: []float64{0.5, 2}},
			{Name: "must", Type: abi.ParamInt, Ints: []int64{1}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	for given, want := range map[string]string{
		`{}`:                         "must is required",
		`{"must":1,"extra":1}`:       "extra is not one of this module",
		`{"must":1.5}`:               "whole number",
		`{"must":1,"threshold":2}`:   "at most 1",
		`{"must":1,"threshold":-1}`:  "at least 0",
		`{"must":1,"op":"~"}`:        "one of >, <",
		`{"must":1,"hold":"soon"}`:   "not a duration",
		`{"must":1,"by":"a"}`:        "list of string",
		`{"must":1,"of":[1]}`:        "map of float",
		`{"must":1,"key":"A"}`:       "must match",
		`{"must":1,"on":"yes"}`:      "true or false",
		`[]`:                         "read params",
		`{"must":1,"threshold":"5"}`: "must be a number",
	} {
		if _, err := abi.EncodeParams(attributes, json.RawMessage(given)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", given, err, want)
		}
	}
}

func write(build func(w *abi.ResultWriter)) []byte {
	var w abi.ResultWriter
	for range 2 { // the second time in used memory
		w.Reset()
		build(&w)
	}
	return w.Block()
}

func TestResultRoundTrip(t *testing.T) {
	d := dictionary(1, "a", "b")
	block := write(func(w *abi.ResultWriter) {
		w.Add(1, abi.Active, 0.5)
		w.Threshold(0.1)
		w.Severity(3)
		w.Text("too\x07 much\n")
		w.Add(abi.NoIndex, abi.Unknown, math.NaN())
		w.Label("zone", "eu")
		w.Label("area", "")
		w.Add(0, abi.Healthy, math.Inf(-1))
		w.Label("job", "other")
	})
	want := []abi.Verdict{
		{Labels: frame.Labels{{Name: "b", Value: "x"}, {Name: "job", Value: "b"}}, Status: abi.Active, Value: 0.5, Threshold: 0.1, Severity: 3, Text: "too  much\n"},
		{Labels: frame.Labels{{Name: "zone", Value: "eu"}}, Status: abi.Unknown, Value: math.NaN(), Threshold: math.NaN()},
		{Labels: frame.Labels{{Name: "a", Value: "x"}, {Name: "job", Value: "other"}}, Status: abi.Healthy, Value: math.Inf(-1), Threshold: math.NaN()},
	}
	decoder := abi.NewResultDecoder(abi.ResultLimits{})
	for range 2 {
		got, err := decoder.Decode(block, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestResultRefused(t *testing.T) {
	d := dictionary(1, "a", "b")
	limits := abi.ResultLimits{Alerts: 3, Pairs: 2, Name: 8, Value: 8, Text: 8}
	tests := map[string]struct {
		build func(w *abi.ResultWriter)
		want  string
	}{
		"too many": {func(w *abi.ResultWriter) {
			for range 4 {
				w.Add(0, abi.Healthy, 0)
			}
		}, "the limit is 3"},
		"status":       {func(w *abi.ResultWriter) { w.Add(0, 3, 0) }, "status 3 does not exist"},
		"series":       {func(w *abi.ResultWriter) { w.Add(2, 0, 0) }, "series 2 is not in the dictionary"},
		"twice":        {func(w *abi.ResultWriter) { w.Add(1, 0, 0); w.Add(0, 0, 0); w.Add(1, 1, 0) }, "already given by verdict 0"},
		"twice whole":  {func(w *abi.ResultWriter) { w.Add(abi.NoIndex, 0, 0); w.Add(abi.NoIndex, 1, 0) }, "already given"},
		"labels":       {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("x", ""); w.Label("y", ""); w.Label("z", "") }, "3 labels"},
		"label twice":  {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("x", "1"); w.Label("x", "2") }, "given twice"},
		"label name":   {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("x\ny", "1") }, "is not allowed"},
		"no name":      {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("", "1") }, "is not allowed"},
		"metric name":  {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("__name__", "1") }, "is not allowed"},
		"long name":    {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("abcdefghi", "1") }, "label name of 9 bytes"},
		"long value":   {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("a", "abcdefghi") }, "label value of 9 bytes"},
		"bad value":    {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Label("a", "\xff") }, "not UTF-8"},
		"long text":    {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Text("abcdefghi") }, "text of 9 bytes"},
		"invalid text": {func(w *abi.ResultWriter) { w.Add(0, 0, 0); w.Text("\xc3") }, "not UTF-8"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := abi.NewResultDecoder(limits).Decode(write(tt.build), d, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestResultDecoderDoesNotAllocate(t *testing.T) {
	d := dictionary(1, "a", "b")
	block := write(func(w *abi.ResultWriter) {
		w.Add(1, abi.Active, 1)
		w.Add(abi.NoIndex, abi.Healthy, 2)
		w.Label("zone", "eu")
	})
	decoder := abi.NewResultDecoder(abi.ResultLimits{})
	var verdicts []abi.Verdict
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if verdicts, err = decoder.Decode(block, d, verdicts); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestManifest(t *testing.T) {
	for text, want := range map[string]string{
		`{"abi":{"major":1},"name":"ok","inputs":[{"name":"in","reduce":"increase","default_range":"5m"}]}`: "",
		`{"abi":{"major":1},"name":"Not OK"}`:                                        "name must match",
		`{"abi":{"major":1,"min_minor":9},"name":"x"}`:                               "needs ABI 1.9",
		`{"abi":{"major":1},"name":"x","features_required":["net"]}`:                 "requires features",
		`{"abi":{"major":1},"name":"x","inputs":[{"name":"a"},{"name":"a"}]}`:        "given twice",
		`{"abi":{"major":1},"name":"x","inputs":[{"name":"a","reduce":"mode"}]}`:     "reduce \"mode\"",
		`{"abi":{"major":1},"name":"x","inputs":[{"name":"a","default_range":"x"}]}`: "default range",
		`{"abi":{"major":1},"name":"x","params":[{"name":"a-b","type":"int"}]}`:      "not allowed",
		`{"abi":{"major":1},"name":"x","params":[{"name":"a"},{"name":"a"}]}`:        "given twice",
		`{`: "read manifest",
	} {
		_, err := abi.ParseManifest([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func FuzzDecodeResult(f *testing.F) {
	d := dictionary(1, "a", "b")
	f.Add(write(func(w *abi.ResultWriter) { w.Add(1, abi.Active, 1); w.Label("zone", "eu"); w.Text("x") }))
	f.Fuzz(func(t *testing.T, block []byte) {
		verdicts, err := abi.NewResultDecoder(abi.ResultLimits{}).Decode(block, d, nil)
		if err != nil {
			return
		}
		for _, v := range verdicts {
			if v.Status > abi.Unknown || v.Labels.Get(frame.MetricName) != "" {
				t.Errorf("%+v", v)
			}
		}
	})
}

func FuzzDecodeWindow(f *testing.F) {
	f.Add(encode(window()))
	f.Add(append(append([]byte("TSW1\x01\x00@\x00"), 0, 0, 0, 0), make([]byte, 60)...)) // a total size of 0
	f.Fuzz(func(_ *testing.T, block []byte) {
		var w abi.Window
		if abi.DecodeWindow(block, &w) == nil {
			for i := range w.Inputs {
				_ = w.Inputs[i].Check(10)
			}
		}
	})
}

func FuzzDecodeDictionary(f *testing.F) {
	block, err := abi.EncodeDictionary(dictionary(1, "a", "b"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	f.Fuzz(func(_ *testing.T, block []byte) {
		table, err := abi.DecodeDictionary(block)
		if err != nil {
			return
		}
		for i := range table.Len() {
			_ = table.Labels(i)
		}
		for i := range table.Strings() {
			_ = table.Column(uint32(i), nil)
		}
	})
}

func FuzzDecodeParams(f *testing.F) {
	f.Add(abi.PutParams([]abi.Param{
		{Name: "a", Type: abi.ParamFloat, Floats: []float64{1}}, {Name: "b", Type: abi.ParamString, Shape: abi.ParamMap, Keys: []string{"k"}, Texts: []string{"v"}},
	}))
	f.Fuzz(func(_ *testing.T, block []byte) { _, _ = abi.DecodeParams(block) })
}
