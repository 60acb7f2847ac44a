package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Errors that callers of a plugin tell apart.
var (
	ErrNoInstance = errors.New("the plugin has no such instance")
	ErrConnection = errors.New("the connection to the plugin broke")
	// ErrNotSent comes with ErrConnection where the call did not reach the plugin.
	ErrNotSent = errors.New("the plugin could not be reached")
	ErrPanic   = errors.New("the plugin panicked")
)

const maxErrorText = 4 << 10 // bytes; the text travels in an HTTP/2 header

// ToStatus turns what an author returned into what crosses the wire. A gRPC status that the author got from
// elsewhere must not be taken for ours, so only the text is kept. (A caller who cancels knows it without being told.)
func ToStatus(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, clip(err.Error()))
	default:
		return status.Error(codes.Unknown, clip(err.Error()))
	}
}

// FromStatus turns the error of a call into one that wraps what callers tell apart: [ErrNoInstance],
// [ErrConnection], [ErrPanic], [context.DeadlineExceeded], [context.Canceled]. Otherwise it is the author's text.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	text := clip(s.Message())
	switch s.Code() {
	case codes.DeadlineExceeded:
		return caused(text, context.DeadlineExceeded)
	case codes.Canceled:
		if strings.Contains(text, "client connection is closing") { // by the supervisor, because the process is gone
			return caused(text, ErrConnection)
		}
		return caused(text, context.Canceled)
	case codes.NotFound:
		return caused(text, ErrNoInstance)
	case codes.Unavailable:
		if strings.HasPrefix(text, "connection error: ") { // gRPC's words when there is none; an end during a call reads differently
			return fmt.Errorf("%w: %w: %s", ErrConnection, ErrNotSent, text)
		}
		return caused(text, ErrConnection)
	case codes.Internal:
		if rest, ok := strings.CutPrefix(text, panicPrefix); ok {
			return fmt.Errorf("%w: %s", ErrPanic, rest)
		}
		return errors.New(text)
	case codes.ResourceExhausted:
		return fmt.Errorf("a message is too large (limit %d bytes): %s", MaxMessage, text)
	case codes.Unimplemented:
		return fmt.Errorf("the plugin does not speak this part of the protocol: %s", text)
	default:
		return errors.New(text)
	}
}

// caused makes an error of a text that may already name its cause.
func caused(text string, cause error) error {
	if text == "" || text == cause.Error() {
		return cause
	}
	if rest, ok := strings.CutSuffix(text, ": "+cause.Error()); ok {
		text = rest
	}
	return fmt.Errorf("%s: %w", text, cause)
}

// clip makes text fit for a header and for a log.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + "…"
}
