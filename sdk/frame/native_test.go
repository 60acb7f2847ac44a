package frame

import (
	"math"
	"testing"
)

func TestPart(t *testing.T) {
	custom := CustomGrid([]float64{0.5, 1})
	for text, part := range map[string]Part{
		"3/0.001 count":       {Grid: Grid{Schema: 3, Threshold: 0.001}, Piece: Observations},
		"3/0.001 sum":         {Grid: Grid{Schema: 3, Threshold: 0.001}, Piece: Sum},
		"-4/0 zero":           {Grid: Grid{Schema: -4}, Piece: Zero},
		"8/0 p12":             {Grid: Grid{Schema: 8}, Piece: Positive, Index: 12},
		"8/0 n-2147483648":    {Grid: Grid{Schema: 8}, Piece: Negative, Index: math.MinInt32},
		"0/1e-128 p-5":        {Grid: Grid{Threshold: 1e-128}, Piece: Positive, Index: -5},
		"custom/c6d5cb1d le1": {Grid: Grid{Schema: CustomSchema, Bounds: 0xc6d5cb1d}, Piece: Custom, Upper: 1},
	} {
		if got := part.String(); got != text {
			t.Errorf("%+v is %q, want %q", part, got, text)
		}
		if got, ok := ParsePart(text); !ok || got != part {
			t.Errorf("%q is %+v, %v, want %+v", text, got, ok, part)
		}
	}
	last := Part{Grid: custom, Piece: Custom, Upper: math.Inf(1)}
	if got, ok := ParsePart(last.String()); !ok || got != last {
		t.Errorf("%q is %+v, %v", last, got, ok)
	}
	if custom == CustomGrid([]float64{0.5, 2}) {
		t.Error("other bounds have the same grid")
	}
}

func TestParsePartRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "3/0", "3 count", "3/0 ", "3/0 counts", "3/0 p", "3/0 q1", "3/0 p2147483648", "3/0 p1.5", "3/0 le1", "9/0 count", "-5/0 count",
		"3/-1 count", "3/NaN count", "3/Inf count", "3/x count", "custom/1 zero", "custom/1 p1", "custom/1 leNaN", "custom/1 le", "custom/123456789 count", "x/0 count",
	} {
		if p, ok := ParsePart(text); ok {
			t.Errorf("%q is %+v", text, p)
		}
	}
}

func FuzzParsePart(f *testing.F) {
	f.Add("3/0.001 p12")
	f.Add("custom/ff le+Inf")
	f.Fuzz(func(t *testing.T, text string) {
		if p, ok := ParsePart(text); ok {
			if again, ok := ParsePart(p.String()); !ok || again != p {
				t.Errorf("%q is %+v, written %q and read as %+v", text, p, p, again)
			}
		}
	})
}

func TestBound(t *testing.T) {
	for _, tt := range []struct {
		schema, i int32
		want      float64
	}{
		{0, 0, 1},
		{0, 1, 2},
		{0, -1, 0.5},
		{1, 1, math.Sqrt2},
		{1, 2, 2},
		{1, -1, 1 / math.Sqrt2},
		{-1, 1, 4},
		{-4, -1, 1.0 / 65536},
		{3, 8, 2},
		{0, 1023, 0x1p1023},
		{0, 1024, math.MaxFloat64},
		{0, 1025, math.Inf(1)},
		{8, 1024 << 8, math.MaxFloat64},
		{-4, 64, math.MaxFloat64},
		{8, math.MaxInt32, math.Inf(1)},
		{8, math.MinInt32, 0},
		{-4, math.MaxInt32, math.Inf(1)},
		{-4, math.MinInt32, 0},
	} {
		if got := Bound(tt.schema, tt.i); math.Abs(got-tt.want) > 1e-15*tt.want && got != tt.want {
			t.Errorf("bound %d of schema %d is %g, want %g", tt.i, tt.schema, got, tt.want)
		}
	}
	if c := Coarser(math.MinInt32, 8, -4); c != math.MinInt32>>12 {
		t.Errorf("the lowest bucket lies in %d", c)
	}
	for i := int32(-40); i < 40; i++ { // a bucket lies in the coarser one
		c := Coarser(i, 3, 1)
		if Bound(3, i) > Bound(1, c)*(1+1e-15) || Bound(3, i-1) < Bound(1, c-1)*(1-1e-15) {
			t.Errorf("bucket %d of schema 3 does not lie in bucket %d of schema 1", i, c)
		}
	}
}
