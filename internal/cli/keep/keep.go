// Package keep is what commands share that work on kept runs: where the store is, what a run's record says when it starts and ends, and
// what others send to a run while it goes on.
package keep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
)

// Options say which store is meant, and how careful it is.
type Options struct {
	State      string // the store's directory as given, "" for the project's or else the user's
	Durability string // fsync or process; "" is fsync
}

// Flags adds --state.
func (o *Options) Flags(f *pflag.FlagSet) {
	f.StringVar(&o.State, "state", "", "`DIR` where runs are kept; else [state] of parallax.toml, else ~/.local/state/parallax")
}

// WritingFlags adds --durability for commands that write much.
func (o *Options) WritingFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Durability, "durability", "fsync", "what a record survives: `fsync` the end of the machine, process only that of parallax, which is faster")
}

// Dir is the directory of the store: the one that was given, the manifest's, or the user's.
func (o *Options) Dir(app *cli.App, m *manifest.Manifest) (string, error) {
	switch {
	case filepath.IsAbs(o.State):
		return o.State, nil
	case o.State != "":
		return filepath.Join(app.Dir, o.State), nil
	case m != nil && m.State.Dir != "":
		return m.State.Dir, nil
	}
	return userDir(app)
}

// userDir is where runs of no project are kept.
func userDir(app *cli.App) (string, error) {
	if state := app.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "parallax"), nil
	}
	for _, home := range []string{app.Getenv("HOME"), app.Getenv("USERPROFILE")} {
		if home != "" {
			return filepath.Join(home, ".local", "state", "parallax"), nil
		}
	}
	return "", cli.Usagef("give --state DIR, or set HOME", "there is no place to keep runs: HOME is not set")
}

// Open opens the store, and makes it if there is none.
func (o *Options) Open(ctx context.Context, app *cli.App, m *manifest.Manifest) (*badger.Store, error) {
	opts := badger.Options{Version: app.Version, Silent: Silent(app)}
	switch o.Durability {
	case "", "fsync":
	case "process":
		opts.Durability = badger.Process
	default:
		return nil, cli.Usagef("write --durability fsync or --durability process", "--durability cannot be %q", o.Durability)
	}
	dir, err := o.Dir(app, m)
	if err != nil {
		return nil, err
	}
	return badger.OpenFor(ctx, dir, opts)
}

// Silent tells people that the process that owns the store does not answer, and what to do.
func Silent(app *cli.App) func(*badger.Silent) {
	return func(e *badger.Silent) { fmt.Fprintf(app.Err, "waiting: %v\n  hint: %s\n", e, cli.SilentHint(e)) }
}

// OpenHere opens the store that is meant in the working directory. There must be one.
func (o *Options) OpenHere(ctx context.Context, app *cli.App) (*badger.Store, error) {
	m, err := project.Manifest(app, "", "")
	if err != nil {
		return nil, err
	}
	dir, err := o.Dir(app, m)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usagef("parallax run --keep makes one; --state DIR names another", "no runs are kept in %s", cli.Short(app.Dir, dir))
	}
	return o.Open(ctx, app, m)
}
