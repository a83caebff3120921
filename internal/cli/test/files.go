package test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// absolute is a path seen from a directory.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// files lists the files of tests that the command line means, each once.
func (o *Options) files() ([]string, error) {
	var all []string
	for _, given := range o.Paths {
		path := absolute(o.App.Dir, given)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, cli.Usagef("name a file called *_test.star, or a directory", "there is no file %s", given)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", given, err)
		case info.IsDir():
			found, err := below(path)
			if err != nil {
				return nil, err
			}
			if len(found) == 0 {
				return nil, cli.Usagef("tests are functions test_... in files called *_test.star", "there are no tests in %s", given)
			}
			all = append(all, found...)
		case !runtime.IsTest(path):
			return nil, cli.Usagef("tests are in files called *_test.star", "%s is no file of tests", given)
		default:
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// below lists the files of tests in a directory and all below it, those whose names begin with a dot left out.
func below(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case d.Type().IsRegular() && runtime.IsTest(path):
			found = append(found, path)
		}
		return nil
	})
	return found, err
}
