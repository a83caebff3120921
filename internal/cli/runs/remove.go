package runs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/person"
	"github.com/parallax-run/parallax/internal/cli/screen"
)

func removeCmd(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rm ID...", Short: "Remove runs and all that is kept of them",
		Long: `Remove runs and all that is kept of them. On a terminal it asks first, elsewhere it wants --yes. One that somebody goes on with cannot be removed. The room on the disk
is given back by parallax gc.`,
		Example: "  parallax runs rm 20260504-101112-k2f7qa\n  parallax runs rm --yes 20260504-101112-k2f7qa 20260504-101530-q7azm2",
		Args:    cli.Args(1, -1, "the id of a run"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.remove(cmd.Context(), args) },
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

// remove removes all runs that are named, or none if one of them is not there or goes on.
func (o *Options) remove(ctx context.Context, ids []string) error {
	dir, exists, err := o.dir()
	if err != nil {
		return err
	}
	if !exists {
		return missing(ids[0], dir)
	}
	return o.in(ctx, dir, badger.Options{}, func(s *badger.Store) error {
		list := make([]badger.Record, len(ids))
		var errs []error
		for i, id := range ids {
			r, err := find(s, id)
			if list[i] = r; err == nil && r.Holder != 0 {
				err = o.busy(&badger.Held{Run: r.ID, By: r.Holder})
			}
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if err := o.sure(ctx, list); err != nil {
			return err
		}
		for i := range list {
			if err := s.Remove(list[i].ID); err != nil && !errors.Is(err, badger.ErrNotFound) { // one may be named twice
				return o.busy(err)
			}
		}
		return nil
	})
}

func (o *Options) busy(err error) error {
	if e, ok := errors.AsType[*badger.Held](err); ok {
		return cli.Usagef(o.command("cancel "+e.Run)+" ends it", "run %s goes on in process %d and cannot be removed", e.Run, e.By)
	}
	return err
}

// sure asks the person at the terminal.
func (o *Options) sure(ctx context.Context, list []badger.Record) error {
	if o.yes {
		return nil
	}
	if _, ok := screen.Terminal(o.App.In); !ok {
		return cli.Usagef("give --yes", "there is nobody to ask whether the runs are to be removed")
	}
	for i := range list {
		r := &list[i]
		fmt.Fprintf(o.App.Err, "%s  %s  %s\n", r.ID, clean(r.Pattern), r.Status)
	}
	fmt.Fprint(o.App.Err, "remove for good? [y/N] ")
	line, err := answer(ctx)
	if err != nil {
		return err
	}
	if line = strings.ToLower(strings.TrimSpace(line)); line != "y" && line != "yes" {
		fmt.Fprintln(o.App.Err, "nothing was removed")
		return &cli.Told{Code: cli.Stopped}
	}
	return nil
}

// answer reads a line from the terminal, until ctx ends.
func answer(ctx context.Context) (string, error) {
	tty, err := person.Terminal()
	if err != nil {
		return "", err
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(closed); _ = tty.Close() })
	line, err := bufio.NewReader(tty).ReadString('\n')
	if stop() {
		_ = tty.Close()
	} else {
		<-closed
		return "", nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return line, err
}
