package run

import (
	"errors"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
)

// Stalled says of a run that it stays suspended, if the error is that there is no room to go on with it.
func (o *Options) Stalled(err error) error { return o.inState(keep.Stalled(o.ID, err)) }

// inState says where the store of a suspended run is, if that was given.
func (o *Options) inState(err error) error {
	if e, ok := errors.AsType[*cli.SuspendedError](err); ok {
		e.State = o.Keep.State
	}
	return err
}
