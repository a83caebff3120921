package runs

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
)

func exportCmd(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "export ID [-o FILE]", Short: "Write one run to a file",
		Long: `Write one run to a file that another machine can import: all that is kept of it, its child runs and the texts of its pattern, with a
checksum. The file is ID.plx in the working directory unless -o names another, - being standard output. A file that is there already stays as it is,
unless --force is given. It holds inputs and answers as they are.`,
		Example: "  parallax runs export 20260504-101112-k2f7qa\n  parallax runs export 2026 -o - | ssh there parallax runs import -",
		Args:    cli.Args(1, 1, "the id of one run"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.export(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "write the file also where there is one of that name")
	cmd.Flags().StringVarP(&o.out, "output", "o", "", "`FILE` to write, - being standard output")
	return cmd
}

func (o *Options) export(ctx context.Context, id string) error {
	return o.look(ctx, id, func(s *badger.Store) error {
		r, err := find(s, id)
		if err != nil {
			return err
		}
		if o.out == "-" {
			return s.Export(o.App.Out, r.ID)
		}
		name := o.out
		if name == "" {
			name = r.ID + ".plx"
		}
		path := o.path(name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !o.force {
			return cli.Usagef("give --force to write it anew, or another name with -o", "%s is there already", name)
		}
		if err := cli.Create(path, "--output", 0o600, func(f *os.File) error { return s.Export(f, r.ID) }); err != nil {
			return err
		}
		return o.wrote(r.ID, name)
	})
}

func (o *Options) wrote(id, name string) error {
	if o.JSON {
		return cli.JSON(o.App, struct {
			Run  string `json:"run"`
			File string `json:"file"`
		}{id, name})
	}
	_, err := fmt.Fprintf(o.App.Err, "run %s is in %s\n", id, name)
	return err
}

func importCmd(o *Options) *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Keep the run that is in a file",
		Long: `Keep the run that is in a file which parallax runs export wrote, and print its id. A file that is damaged or cut off is refused, and nothing of
it is kept. So is a run that is kept already, unless it is the very same. FILE - is standard input.`,
		Example: "  parallax runs import 20260504-101112-k2f7qa.plx",
		Args:    cli.Args(1, 1, "one file"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.importFile(cmd.Context(), args[0]) },
	}
}

func (o *Options) importFile(ctx context.Context, name string) error {
	in := o.App.In
	if name != "-" {
		f, err := os.Open(o.path(name))
		if err != nil {
			return cli.Usagef("give the path of a file that parallax runs export wrote", "%s cannot be read: %v", name, reason(err))
		}
		defer f.Close()
		in = f
	}
	dir, _, err := o.dir()
	if err != nil {
		return err
	}
	return o.in(ctx, dir, badger.Options{}, func(s *badger.Store) error {
		id, err := s.Import(in)
		if err != nil {
			return refused(name, id, err)
		}
		if o.JSON {
			return cli.JSON(o.App, struct {
				Run string `json:"run"`
			}{id})
		}
		_, err = fmt.Fprintln(o.App.Out, id)
		return err
	})
}

// refused says why the run in a file is not kept.
func refused(name, id string, err error) error {
	switch {
	case errors.Is(err, badger.ErrExists):
		return cli.Usagef(fmt.Sprintf("parallax runs rm %s removes the one that is kept", id), "%s has another run %s than the one that is kept", name, id)
	case errors.Is(err, badger.ErrFile):
		return cli.Usagef("copy it again, or export the run once more", "%s: %v", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// reason is an error of a file without its path.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
