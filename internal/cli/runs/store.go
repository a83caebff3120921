package runs

import (
	"context"
	"errors"
	"fmt"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/project"
)

// dir is where runs are kept, and whether any ever were.
func (o *Options) dir() (dir string, exists bool, err error) {
	m, err := project.Manifest(o.App, "", "")
	if err != nil {
		return "", false, err
	}
	if dir, err = o.Keep.Dir(o.App, m); err != nil {
		return "", false, err
	}
	return dir, keep.Exists(dir), nil
}

// look opens the store for reading for the time of do. Where there is none yet, there is no run with this id.
func (o *Options) look(ctx context.Context, id string, do func(s *badger.Store) error) error {
	dir, exists, err := o.dir()
	if err != nil {
		return err
	}
	if !exists {
		return missing(id, dir)
	}
	return o.in(ctx, dir, badger.Options{ReadOnly: true}, do)
}

// in opens the store in a directory for the time of do.
func (o *Options) in(ctx context.Context, dir string, opts badger.Options, do func(s *badger.Store) error) (err error) {
	opts.Version, opts.Silent = o.App.Version, keep.Silent(o.App)
	s, err := badger.OpenFor(ctx, dir, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if damage, err := s.Damage(); err != nil {
		return err
	} else if damage != nil {
		fmt.Fprintf(o.App.Err, "the store in %s is damaged and can only be read: %s says what is lost, and with --repair keeps the rest\n", dir, o.command("doctor"))
	}
	return do(s)
}

func missing(id, dir string) error {
	return cli.Usagef("parallax runs lists those that are kept; parallax run --keep keeps one", "there is no run %q in %s", id, dir)
}

// find gives the record of the run whose id is, or begins with, this.
func find(s *badger.Store, id string) (badger.Record, error) {
	r, err := s.Record(id)
	return r, told(s, id, err)
}

// told says what an error of the store means for the person who named a run.
func told(s *badger.Store, id string, err error) error {
	if errors.Is(err, badger.ErrNotFound) {
		return missing(id, s.Dir())
	}
	if e, ok := errors.AsType[*badger.Ambiguous](err); ok {
		return cli.Usagef("give more of the id", "%s", e.Error())
	}
	return err
}
