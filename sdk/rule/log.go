package rule

import "github.com/tocsinhq/tocsin/sdk/rule/abi"

// Level is how important a line of the log is.
type Level int32

// The levels.
const (
	LevelDebug = Level(abi.LogDebug)
	LevelInfo  = Level(abi.LogInfo)
	LevelWarn  = Level(abi.LogWarn)
	LevelError = Level(abi.LogError)
)
