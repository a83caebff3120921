package packages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

func grantsEditCmd(o *grants) *cobra.Command {
	return &cobra.Command{
		Use: "edit ALIAS|AGENT", Short: "Change what an agent may do, in your editor",
		Long: `Open what an agent of this project may do in $VISUAL or $EDITOR. What is saved becomes the table [agents.NAME.permissions] of parallax.toml, which takes the place of
what its package was granted: one may allow it less, or more. An ALIAS stands for the agent that uses it.`,
		Example: "  parallax grants edit critic\n  EDITOR=nano parallax grants edit critic",
		Args:    cli.Args(1, 1, "one agent"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.edit(cmd.Context(), args[0]) },
	}
}

func (o *grants) edit(ctx context.Context, name string) error {
	m, all, err := o.all()
	if err != nil {
		return err
	}
	a, err := agentFor(m, name)
	if err != nil {
		return err
	}
	now := a.Permissions
	if alias, _ := a.Installed(); now == nil {
		for _, g := range all {
			if g.Alias == alias {
				now = g.Wants
			}
		}
	}
	if now == nil {
		return cli.Usagef("parallax install; or write [agents."+a.Name+".permissions] by hand", "nothing is known yet of what agent %q asks for: its package is not installed here", a.Name)
	}
	editor := cmp.Or(o.app.Getenv("VISUAL"), o.app.Getenv("EDITOR"))
	if editor == "" {
		return cli.Usagef("set EDITOR, or write [agents."+a.Name+".permissions] into parallax.toml by hand", "there is no editor to open: neither VISUAL nor EDITOR is set")
	}
	file, err := os.CreateTemp("", "permissions-*.toml")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("# What agent %s may do, in place of what it asks for. What does not stand here is not allowed.\n[permissions]\n%s", a.Name, now.Text(m.Dir))
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return o.edited(ctx, m, a.Name, editor, file.Name(), text)
}

// agentFor finds the agent that somebody means: by its name, or by the alias of its package.
func agentFor(m *manifest.Manifest, name string) (manifest.Agent, error) {
	for _, a := range m.Agents {
		if _, ok := a.Installed(); ok && a.Name == name {
			return a, nil
		}
	}
	alias, err := dependency(m, name)
	if err != nil {
		return manifest.Agent{}, err
	}
	served := servedBy(m, alias)
	switch len(served) {
	case 0:
		return manifest.Agent{}, cli.Usagef(fmt.Sprintf("write [agents.%s] with use = \"@%s\" first", alias, alias), "no agent of this project uses @%s", alias)
	case 1:
		return served[0], nil
	}
	var names []string
	for _, a := range served {
		names = append(names, a.Name)
	}
	return manifest.Agent{}, cli.Usagef("say which: "+strings.Join(names, ", "), "several agents of this project use @%s", alias)
}

// edited lets a person change a file and takes over what it says then. A file with a mistake stays.
func (o *grants) edited(ctx context.Context, m *manifest.Manifest, agent, editor, file, before string) error {
	words := append(strings.Fields(editor), file)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the user's own editor
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = o.app.In, o.app.Err, o.app.Err, o.app.Dir
	if err := cmd.Run(); err != nil {
		return cli.Usagef("set EDITOR to one that can be started; nothing was changed", "the editor %q ended badly: %v", editor, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if string(text) == before {
		fmt.Fprintln(o.app.Err, "nothing was changed")
		return os.Remove(file)
	}
	p, err := manifest.ReadPermissions(file, text, m.Dir)
	if err != nil {
		fmt.Fprintf(o.app.Err, "what you wrote is kept in %s\n", file)
		return err
	}
	path := filepath.Join(m.Dir, manifest.FileName)
	toml, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if toml, err = manifest.SetPermissions(path, toml, agent, p); err != nil {
		return err
	}
	if err := market.WriteFile(path, toml); err != nil {
		return err
	}
	fmt.Fprintf(o.app.Err, "agent %s has [agents.%s.permissions] in %s\n", agent, agent, manifest.FileName)
	return os.Remove(file)
}
