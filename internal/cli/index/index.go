// Package index is `parallax index`: for who runs an index of packages.
package index

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/market/index"
)

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:   "index",
		Short: "Run an index of packages",
		Long: `Run an index of packages: a git repository with a file for each package, changed by reviewed pull requests, and published as one signed
file. docs/guides/index.md says how.`,
		Example: "  parallax index check\n  parallax index build --key key.pem --out public/index.ndjson\n  parallax index site --out public",
	}, checkCmd(app), buildCmd(app), keygenCmd(app), statsCmd(app), siteCmd(app))
}

// options are what the commands share.
type options struct {
	app *cli.App

	previous    string // file or URL of the index that was published last, or ""
	previousKey string // public key that signed it, "" for the present one
}

func (o *options) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.previous, "previous", "", "`FILE` or URL of the index that was published last")
	cmd.Flags().StringVar(&o.previousKey, "previous-key", "", "public `KEY` that signed it, where that is another than now")
}

// path is a path as the command line gives it.
func (o *options) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(o.app.Dir, name)
}

// dir is the folder of an index: the argument, or the working directory.
func (o *options) dir(args []string) string {
	if len(args) == 0 {
		return o.app.Dir
	}
	return o.path(args[0])
}

// within calls do with the files of a folder. Nothing leads out of it.
func within(dir string, do func(fs.FS) error) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return cli.Usagef("give the folder of an index", "there is no folder %s", dir)
	}
	if err != nil {
		return cli.Usagef("give the folder of an index", "%v", err)
	}
	defer root.Close()
	return do(root.FS())
}

// last reads the index that was published last; without one it gives nil. key is the present one.
func (o *options) last(ctx context.Context, key ed25519.PublicKey) (*index.Document, error) {
	if o.previous == "" {
		return nil, nil
	}
	text, err := o.fetch(ctx)
	if err != nil {
		return nil, err
	}
	if o.previousKey != "" {
		if key, err = index.ParseKey(o.previousKey); err != nil {
			return nil, err
		}
	}
	d, err := index.Parse(text, key)
	if e, ok := errors.AsType[*index.Error](err); ok {
		return nil, &index.Error{Code: e.Code, Message: o.previous + ": " + e.Message, Hint: e.Hint, Cause: e}
	}
	return d, err
}

func (o *options) fetch(ctx context.Context) ([]byte, error) {
	if strings.Contains(o.previous, "://") {
		m, err := project.Market(o.app)
		if err != nil {
			return nil, err
		}
		return m.Fetch(ctx, o.previous, index.MaxBytes)
	}
	return readFile(o.path(o.previous), "for the first build, leave it out")
}

// readFile reads a file that somebody named.
func readFile(path, hint string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usagef(hint, "there is no file %s", path)
	}
	return text, err
}

// published reads the public key that lies in an index; nil where there is none.
func published(fsys fs.FS) (ed25519.PublicKey, error) {
	text, err := fs.ReadFile(fsys, index.KeyName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return index.ParseKey(string(text))
}

// clock is now, in whole seconds.
func clock() time.Time { return time.Now().UTC().Truncate(time.Second) }

// count says how many of a thing.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
