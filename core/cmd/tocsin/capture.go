package main

import (
	"fmt"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/capture"
)

func captureFlag() cli.Flag {
	return &cli.StringFlag{Name: "capture", Usage: "write what all targets answer to `FILE`, for \"tocsin replay\"; a run adds to what is there"}
}

// recording is the capture of a run; without one it does nothing.
type recording struct {
	*capture.Recorder // nil without a capture
	logger            zerolog.Logger
}

// openRecording begins to write to a capture; path "" is none.
func openRecording(path string, logger zerolog.Logger) (*recording, error) {
	if path == "" {
		return &recording{}, nil
	}
	file, cut, err := capture.Create(path)
	if err != nil {
		return nil, err
	}
	if cut != nil {
		logger.Warn().Int64("bytes", cut.Rest).Msg("the end of the capture was torn, as after a crash, and was cut off")
	}
	return &recording{Recorder: capture.NewRecorder(file, logger), logger: logger}, nil
}

// close writes what is still to be written.
func (r *recording) close() error {
	if r.Recorder == nil {
		return nil
	}
	lost, err := r.Close()
	if lost > 0 {
		r.logger.Warn().Int("answers", lost).Msg("the capture has gaps: the disk did not keep up")
	}
	if err != nil {
		return fmt.Errorf("end the capture: %w", err)
	}
	return nil
}
