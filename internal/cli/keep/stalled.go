package keep

import (
	"errors"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
)

// Stalled says of a run that it is suspended, if the error is that there is no room to go on with it.
func Stalled(id string, err error) error {
	if _, full := errors.AsType[*badger.Full](err); !full {
		return err
	}
	if _, said := errors.AsType[*cli.SuspendedError](err); said {
		return err
	}
	return &cli.SuspendedError{Run: id, Err: err}
}
