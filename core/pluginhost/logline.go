package pluginhost

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rs/zerolog"
)

const maxLogFields = 50

// logLine is what a plugin said in one line.
type logLine struct {
	level   zerolog.Level
	message string
	fields  []logField
}

type logField struct{ name, value string }

// parseLogLine reads one line, whatever it is. It knows the JSON of hclog, zerolog and slog, and lines that begin
// with [LEVEL]; everything else is a message at debug level.
func parseLogLine(line []byte) logLine {
	text := strings.ToValidUTF8(strings.TrimRight(string(line), "\r\n"), "\ufffd")
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") {
		if parsed, ok := parseJSONLine(trimmed); ok {
			return parsed
		}
	}
	if rest, ok := strings.CutPrefix(text, "["); ok {
		if name, message, ok := strings.Cut(rest, "]"); ok {
			if level, ok := levelOf(name); ok {
				return logLine{level: level, message: strings.TrimSpace(message)}
			}
		}
	}
	return logLine{level: zerolog.DebugLevel, message: text}
}

// parseJSONLine takes an object for a log record if it has a message or a level.
func parseJSONLine(text string) (logLine, bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil {
		return logLine{}, false
	}
	take := func(names ...string) (string, bool) {
		for _, name := range names {
			var value string
			if raw, ok := object[name]; ok && json.Unmarshal(raw, &value) == nil {
				delete(object, name)
				return value, true
			}
		}
		return "", false
	}
	message, hasMessage := take("@message", "message", "msg")
	name, hasLevel := take("@level", "level", "severity")
	if !hasMessage && !hasLevel {
		return logLine{}, false
	}
	level, known := levelOf(name)
	if !known {
		level = zerolog.DebugLevel
	}
	_, _ = take("@timestamp", "timestamp", "time", "ts") // ours says when the line came
	line := logLine{level: level, message: strings.ToValidUTF8(message, "\ufffd")}
	names := slices.Sorted(maps.Keys(object))
	for _, name := range names[:min(len(names), maxLogFields)] {
		line.fields = append(line.fields, logField{strings.ToValidUTF8(name, "\ufffd"), fieldText(object[name])})
	}
	return line, true
}

// fieldText is a string as it is and any other value as JSON.
func fieldText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.ToValidUTF8(text, "\ufffd")
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return string(raw)
	}
	return compact.String()
}

// levelOf reads the name of a level, also as slog writes it: "WARN", "INFO+2".
func levelOf(name string) (zerolog.Level, bool) {
	name, _, _ = strings.Cut(name, "+")
	name, _, _ = strings.Cut(name, "-")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "trace":
		return zerolog.TraceLevel, true
	case "debug":
		return zerolog.DebugLevel, true
	case "info", "notice":
		return zerolog.InfoLevel, true
	case "warn", "warning":
		return zerolog.WarnLevel, true
	case "err", "error", "fatal", "panic", "critical": // a plugin's end is not ours
		return zerolog.ErrorLevel, true
	default:
		return zerolog.DebugLevel, false
	}
}
