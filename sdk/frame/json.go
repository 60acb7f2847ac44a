//go:build !wasip1

package frame

import (
	"encoding/json"
	"fmt"
)

// MarshalJSON writes the set as an object, {"code":"200","endpoint":"/"}, in the order of the set.
func (ls Labels) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, l := range ls {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(l.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(l.Value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes, in any order.
func (ls *Labels) UnmarshalJSON(data []byte) error {
	var m map[string]string
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("read labels, an object of strings: %w", err)
	}
	*ls = FromMap(m)
	return nil
}
