package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// closers is a stack of what has been opened, closed in reverse order: a start that fails half way rolls back by the
// same path as a stop.
type closers struct {
	names  []string
	closes []func(context.Context) error
}

func (c *closers) push(name string, closeIt func(context.Context) error) {
	c.names = append(c.names, name)
	c.closes = append(c.closes, closeIt)
}

// close closes everything, also after an error, and joins the errors.
func (c *closers) close(ctx context.Context) error {
	var errs []error
	for i := range slices.Backward(c.closes) {
		if err := c.closes[i](ctx); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", c.names[i], err))
		}
	}
	c.names, c.closes = nil, nil
	return errors.Join(errs...)
}
