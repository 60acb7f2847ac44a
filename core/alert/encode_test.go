package alert

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// TestAppendLeavesNothingOut: a value in each field comes back, so none was forgotten.
func TestAppendLeavesNothingOut(t *testing.T) {
	for _, tt := range []struct {
		want, got any
		append    func(any) []byte
	}{
		{&Alert{}, &Alert{}, func(v any) []byte { return v.(*Alert).append(nil) }},
		{&Decision{}, &Decision{}, func(v any) []byte { return v.(*Decision).AppendJSON(nil) }},
	} {
		fill(t, reflect.ValueOf(tt.want).Elem())
		text := tt.append(tt.want)
		if err := json.Unmarshal(text, tt.got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// fill puts something into each field that is written.
func fill(t *testing.T, of reflect.Value) {
	for i := range of.NumField() {
		if of.Type().Field(i).Tag.Get("json") == "-" {
			continue
		}
		var value any
		switch f := of.Field(i); f.Interface().(type) {
		case State:
			value = Firing
		case frame.Labels:
			value = frame.FromMap(map[string]string{of.Type().Field(i).Name: "<x>"})
		case map[string]string:
			value = map[string]string{"summary": "é"}
		case time.Time:
			value = time.Date(2026, 11, 2, 10, 0, i, 123456789, time.UTC)
		default:
			switch f.Kind() {
			case reflect.String:
				value = of.Type().Field(i).Name
			case reflect.Bool:
				value = true
			case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
				value = i + 1
			default:
				t.Fatalf("what would %s be?", of.Type().Field(i).Name)
			}
		}
		of.Field(i).Set(reflect.ValueOf(value).Convert(of.Field(i).Type()))
	}
}
