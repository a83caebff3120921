package packages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/runtime"
)

// NewRemoveCmd makes `parallax remove`.
func NewRemoveCmd(app *cli.App) *cobra.Command {
	o := &options{app: app}
	cmd := &cobra.Command{
		Use:     "remove ALIAS...",
		Short:   "Take packages out of this project",
		Long:    "Take packages out of [dependencies] and parallax.lock. Their files stay in the cache, where other projects may use them.",
		Example: "  parallax remove debate",
		Args:    cli.Args(1, -1, "an alias"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.remove(cmd.Context(), args) },
	}
	o.flags(cmd)
	return cmd
}

func (o *options) remove(ctx context.Context, aliases []string) error {
	m, err := o.here()
	if err != nil {
		return err
	}
	var edits []market.Edit
	for _, name := range aliases {
		alias, err := dependency(m, name)
		if err != nil {
			return err
		}
		for _, a := range m.Agents {
			if of, ok := a.Installed(); ok && of == alias {
				return cli.Usagef("remove [agents."+a.Name+"] first", "agent %q uses @%s", a.Name, alias)
			}
			for _, role := range a.Roles {
				if strings.HasPrefix(role, "@"+alias+"/") {
					return cli.Usagef(fmt.Sprintf("remove %q from its roles first", role), "agent %q fills a role of @%s", a.Name, alias)
				}
			}
		}
		edits = append(edits, market.Edit{Alias: alias})
	}
	_, err = o.sync(ctx, m.Dir, edits, false)
	return err
}

// dependency finds the alias that somebody means.
func dependency(m *manifest.Manifest, name string) (string, error) {
	alias := strings.TrimPrefix(name, "@")
	var aliases []string
	for _, d := range m.Dependencies {
		if d.Alias == alias || d.Source == alias {
			return d.Alias, nil
		}
		aliases = append(aliases, d.Alias)
	}
	hint := "parallax list shows those there are"
	if near := runtime.Nearest(alias, aliases); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return "", cli.Usagef(hint, "[dependencies] has no %s", alias)
}

// NewTidyCmd makes `parallax tidy`.
func NewTidyCmd(app *cli.App) *cobra.Command {
	o := &options{app: app}
	cmd := &cobra.Command{
		Use:   "tidy",
		Short: "Take out packages that nothing uses",
		Long: `Take out of [dependencies] what no pattern of this project loads and no agent uses, and bring parallax.lock in line. What is
loaded and not there is named.`,
		Example: "  parallax tidy",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.tidy(cmd.Context()) },
	}
	o.flags(cmd)
	return cmd
}

func (o *options) tidy(ctx context.Context) error {
	m, err := o.here()
	if err != nil {
		return err
	}
	used, err := usedAliases(m)
	if err != nil {
		return err
	}
	var edits []market.Edit
	for _, d := range m.Dependencies {
		if _, ok := used[d.Alias]; !ok {
			edits = append(edits, market.Edit{Alias: d.Alias})
		}
	}
	if _, err := o.sync(ctx, m.Dir, edits, false); err != nil {
		return err
	}
	var missing []error
	for alias, at := range used {
		if _, ok := m.Dependency(alias); !ok {
			missing = append(missing, cli.Usagef("parallax add github.com/owner/repo --as "+alias, "%s loads @%s, which is not in [dependencies]", at, alias))
		}
	}
	slices.SortFunc(missing, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(missing...)
}

// aliasInText is a label of another package, in a string of a pattern.
var aliasInText = regexp.MustCompile(`["']@([a-z][a-z0-9_-]*)//`)

// usedAliases finds the aliases that agents and patterns of a project use, each with a place. It reads texts, so that it also sees what does not compile.
func usedAliases(m *manifest.Manifest) (map[string]string, error) {
	used := make(map[string]string)
	for _, a := range m.Agents {
		if alias, ok := a.Installed(); ok {
			used[alias] = manifest.FileName
		}
	}
	err := filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != m.Dir && (strings.HasPrefix(d.Name(), ".") || elsewhere(path)):
			return fs.SkipDir
		case !d.Type().IsRegular() || filepath.Ext(path) != ".star":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range aliasInText.FindAllSubmatch(text, -1) {
			if alias := string(found[1]); alias != manifest.StdAlias {
				used[alias] = cli.Short(m.Dir, path)
			}
		}
		return nil
	})
	return used, err
}

// elsewhere says whether a folder is a project of its own.
func elsewhere(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, manifest.FileName))
	return err == nil
}
