package publish

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/check"
	"github.com/parallax-run/parallax/internal/cli/test"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/publish"
	lang "github.com/parallax-run/parallax/runtime"
)

// testTime is how long a test may take.
const testTime = time.Minute

// tried checks and tests what is to be published: the files of a pattern as they were packed, the agent's build for this machine.
func (o *Options) tried(ctx context.Context, p *publish.Package, files *publish.Files) error {
	if p.Manifest.Package.Kind == manifest.KindAgent {
		return o.started(ctx, p, files)
	}
	patterns, tests, err := stars(files.Tree)
	if err != nil {
		return err
	}
	if len(patterns) == 0 {
		return &market.Error{Code: market.Unready, Message: "there is no pattern to publish: no file that was committed ends in .star", Hint: "git add it, and commit"}
	}
	app := *o.App
	app.Dir, app.Out = files.Tree, o.App.Err
	o.say("checking")
	if err := (&check.Options{App: &app, Patterns: patterns}).Run(); err != nil {
		return o.untold(err, "checked")
	}
	if len(tests) == 0 {
		o.say("there are no tests; parallax test says how to write some")
		return nil
	}
	o.say("testing")
	if err := (&test.Options{App: &app, Paths: []string{"."}, Timeout: testTime, Jobs: runtime.NumCPU()}).Run(ctx); err != nil {
		return o.untold(err, "tested")
	}
	return nil
}

// untold says of a failure that was told that nothing was published.
func (o *Options) untold(err error, what string) error {
	o.say("nothing was published: it is the files as they were committed that were %s", what)
	return err
}

// stars lists the patterns and the files of tests of a tree.
func stars(dir string) (patterns, tests []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".star") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if lang.IsTest(filepath.ToSlash(name)) {
			tests = append(tests, name)
		} else {
			patterns = append(patterns, name)
		}
		return err
	})
	return patterns, tests, err
}

// started starts the agent's build for this machine, as an installation would.
func (o *Options) started(ctx context.Context, p *publish.Package, files *publish.Files) error {
	o.say("builds: %s", strings.Join(platforms(files), ", "))
	if files.Tree == "" {
		o.say("not started: there is no build for this machine, %s", o.market.Platform)
		return nil
	}
	o.say("starting the build for %s, in a sandbox", o.market.Platform)
	m := *p.Manifest
	m.Dir = files.Tree
	if err := o.market.Start(ctx, files.Tree, &m); err != nil {
		return &cli.Advised{Err: fmt.Errorf("the agent does not start, so nothing was published: %w", err), Exit: cli.AgentStart, Hint: "parallax plugin test DIR says more"}
	}
	return nil
}

func platforms(files *publish.Files) []string { return slices.Sorted(maps.Keys(files.Built)) }
