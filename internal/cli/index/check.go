package index

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/market/index"
)

type checkOptions struct {
	options
	changed []string // files that were changed; none means all
	fetch   bool
	json    bool
}

func checkCmd(app *cli.App) *cobra.Command {
	o := &checkOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Check the files of an index",
		Long: `Check the files of an index: whether they can be read, say what they must, and name each other rightly; and name what a person should look
at before taking a change over, such as permissions that few agents need. Errors end with exit code 2, remarks do not.

With --changed only what concerns those files is told; lines and commas between names are fine, so --changed "$(git diff --name-only main)" works.
With --previous, versions that were published must be as they were, and remarks are about new ones. With --fetch, the files of new versions
are downloaded and compared with what the index says of them; without --previous that is the newest version of each package.`,
		Example: `  parallax index check
  parallax index check --fetch --previous https://index.example.org/index.ndjson --changed "$(git diff --name-only origin/main)"`,
		Args: cli.Args(0, 1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), o.dir(args)) },
	}
	o.flags(cmd)
	cmd.Flags().StringArrayVar(&o.changed, "changed", nil, "tell only of these `FILE`s, as git names them")
	cmd.Flags().BoolVar(&o.fetch, "fetch", false, "download new versions and compare them")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON for each finding")
	return cmd
}

func (o *checkOptions) run(ctx context.Context, dir string) error {
	var found []index.Finding
	var r *index.Repository
	err := within(dir, func(fsys fs.FS) error {
		previous, err := o.before(ctx, fsys)
		if err != nil {
			return err
		}
		if r, err = index.Read(fsys); err != nil {
			return err
		}
		found = r.Review(previous, clock())
		if o.fetch {
			more, err := o.compare(ctx, r, previous)
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return o.tell(r, slices.DeleteFunc(found, func(f index.Finding) bool { return !o.concerns(f.File) }))
}

// before reads the index that was published last.
func (o *checkOptions) before(ctx context.Context, fsys fs.FS) (*index.Document, error) {
	if o.previous == "" {
		return nil, nil
	}
	key, err := published(fsys)
	if err == nil && key == nil && o.previousKey == "" {
		err = cli.Usagef("give --previous-key ed25519:..., or put it into "+index.KeyName, "nobody says which key signed %s", o.previous)
	}
	if err != nil {
		return nil, err
	}
	return o.last(ctx, key)
}

// concerns says whether a file is one to tell of.
func (o *checkOptions) concerns(file string) bool {
	if o.changed == nil {
		return true
	}
	return slices.ContainsFunc(o.changed, func(list string) bool {
		return slices.ContainsFunc(strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ' ' }), func(name string) bool {
			return strings.TrimPrefix(filepath.ToSlash(name), "./") == file
		})
	})
}

// tell prints findings, and ends the command if one is an error.
func (o *checkOptions) tell(r *index.Repository, found []index.Finding) error {
	wrong := 0
	for _, f := range found {
		if !f.Warning {
			wrong++
		}
		if o.json {
			if err := cli.JSON(o.app, f); err != nil {
				return err
			}
			continue
		}
		kind := "error"
		if f.Warning {
			kind = "look"
		}
		fmt.Fprintf(o.app.Out, "%s: %s\n", kind, f)
		if f.Hint != "" {
			fmt.Fprintf(o.app.Out, "  hint: %s\n", f.Hint)
		}
	}
	versions := 0
	for _, e := range r.Entries {
		versions += len(e.Versions)
	}
	fmt.Fprintf(o.app.Err, "%s, %s: %s, %s to look at\n", count(len(r.Entries), "package"), count(versions, "version"), count(wrong, "error"), count(len(found)-wrong, "thing"))
	if wrong > 0 {
		return &cli.Told{Code: cli.Usage}
	}
	return nil
}
