package alert

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

var states = [...]string{Inactive: "inactive", Pending: "pending", Firing: "firing", Resolved: "resolved"}

func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the state by its name.
func (s State) MarshalText() ([]byte, error) {
	if int(s) >= len(states) {
		return nil, fmt.Errorf("write alert state: there is no state %d", uint8(s))
	}
	return []byte(states[s]), nil
}

// UnmarshalText reads the name of a state.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range states {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("read alert state: %q is none of inactive, pending, firing, resolved", text)
}

// String is the fingerprint as 16 hexadecimal digits.
func (f Fingerprint) String() string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(f)))
}

// ParseFingerprint reads 16 hexadecimal digits.
func ParseFingerprint(text string) (Fingerprint, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 8 {
		return 0, fmt.Errorf("read fingerprint: %q is not 16 hexadecimal digits", text)
	}
	return Fingerprint(binary.BigEndian.Uint64(raw)), nil
}

// MarshalText writes 16 hexadecimal digits: a JSON number of 64 bits would lose digits in most readers.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads 16 hexadecimal digits.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	parsed, err := ParseFingerprint(string(text))
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}
