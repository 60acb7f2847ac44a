package frame_test

import (
	"encoding/json"
	"testing"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

func TestLabelsJSON(t *testing.T) {
	for _, tt := range []struct {
		name   string
		labels frame.Labels
		json   string
	}{
		{"nil is an empty object", nil, `{}`},
		{"sorted", frame.NewLabels(frame.Label{Name: "endpoint", Value: "/"}, frame.Label{Name: "code", Value: "200"}), `{"code":"200","endpoint":"/"}`},
		{"quoted", frame.NewLabels(frame.Label{Name: `a"b`, Value: "line\nbreak"}), `{"a\"b":"line\nbreak"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.labels)
			if err != nil || string(got) != tt.json {
				t.Fatalf("Marshal = %s, %v; want %s", got, err, tt.json)
			}
			var back frame.Labels
			if err := json.Unmarshal(got, &back); err != nil || !back.Equal(tt.labels) {
				t.Errorf("Unmarshal = %v, %v; want %v", back, err, tt.labels)
			}
		})
	}
}

func TestLabelsFromBadJSON(t *testing.T) {
	for _, text := range []string{`[]`, `{"a":1}`, `"x"`, `{"a":{}}`} {
		var ls frame.Labels
		if err := json.Unmarshal([]byte(text), &ls); err == nil {
			t.Errorf("Unmarshal(%s) = %v, want an error", text, ls)
		}
	}
}
