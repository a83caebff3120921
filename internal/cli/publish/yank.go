package publish

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/internal/market/publish"
)

// yankOptions are what the command line says.
type yankOptions struct {
	Options
	version string
	reason  string
	undo    bool
}

// NewYankCmd makes `parallax yank`.
func NewYankCmd(app *cli.App) *cobra.Command {
	o := &yankOptions{Options: Options{App: app}}
	cmd := &cobra.Command{
		Use:   "yank VERSION",
		Short: "Mark a published version as one that nobody new should take",
		Long: `Propose to the index that a version of the package in this directory is yanked: nobody gets it who does not have it in their lock, and those
who have are told the reason. Its tag and its release stay. --undo takes that back.`,
		Example: "  parallax yank 1.2.0 --reason \"counts votes twice\"\n  parallax yank 1.2.0 --undo",
		Args:    cli.Args(1, 1, "one version"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.version = strings.TrimPrefix(args[0], "v")
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.reason, "reason", "", "`TEXT` that people who use it are shown, in one line")
	f.BoolVar(&o.undo, "undo", false, "take it back")
	f.StringVar(&o.Index, "index", "", "propose it to the index `OWNER/REPO` instead of the public one")
	f.BoolVar(&o.DryRun, "dry-run", false, "change nothing, and show what would be proposed")
	return cmd
}

func (o *yankOptions) run(ctx context.Context) error {
	switch {
	case !index.ValidVersion(o.version):
		return cli.Usagef("write all three numbers: 1.2.0", "%q is not a version", o.version)
	case o.undo && o.reason != "":
		return cli.Usagef("leave --reason out", "--undo needs no reason")
	case !o.undo && strings.TrimSpace(o.reason) == "":
		return cli.Usagef(`add --reason "counts votes twice"`, "people who use the version want to know why it is yanked")
	}
	name, err := packageHere(o.App.Dir)
	if err != nil {
		return err
	}
	if o.market, err = project.Market(o.App); err != nil {
		return err
	}
	api, repo, err := o.hub("github.com")
	if err != nil {
		return err
	}
	title := fmt.Sprintf("%s %s is yanked", name, o.version)
	if o.undo {
		title = fmt.Sprintf("%s %s is yanked no more", name, o.version)
	}
	return o.open(ctx, &publish.Proposal{
		API: api, Index: repo, Name: name, Title: title, Body: o.reason,
		Change: func(old *index.Entry) (*index.Entry, error) {
			if old == nil {
				return nil, &market.Error{Code: market.NotFound, Message: fmt.Sprintf("%s has no package %s", repo, name), Hint: "what was not listed need not be yanked; --index OWNER/REPO names another index"}
			}
			return publish.Yank(old, o.version, o.reason)
		},
	})
}

// packageHere is what an index calls the package in a folder.
func packageHere(dir string) (string, error) {
	m, err := manifest.Near(dir)
	if err != nil {
		return "", err
	}
	if m.Package.Name == "" {
		if _, err := os.Stat(filepath.Join(dir, manifest.FileName)); err != nil {
			return "", cli.Usagef("run it in the package's repository", "there is no %s in this directory or above", manifest.FileName)
		}
		return "", cli.Usagef("run it in the package's repository", "%s has no [package]", manifest.FileName)
	}
	return strings.ToLower(m.Package.Name), nil
}
