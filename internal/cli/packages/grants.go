package packages

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

// grants is the command line of `parallax grants`.
type grants struct {
	options
	json bool
}

// NewGrantsCmd makes `parallax grants`.
func NewGrantsCmd(app *cli.App) *cobra.Command {
	o := &grants{options: options{app: app}}
	cmd := cli.Group(&cobra.Command{
		Use:   "grants",
		Short: "Show, take back and change what agents of packages may do",
		Long: `An agent of a package may do what it asked for and was granted when it was installed. parallax.lock has a digest of that, so that one who has the project is
not asked again. What a run is given with --allow-net and the like is for that run only, and not kept.`,
		Example: "  parallax grants list\n  parallax grants show critic\n  parallax grants revoke critic\n  parallax grants edit critic",
	}, grantsListCmd(o), grantsShowCmd(o), grantsRevokeCmd(o), grantsEditCmd(o))
	return cmd
}

func grantsListCmd(o *grants) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the agents of packages, and whether they may start", Example: "  parallax grants list --json",
		Args: cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return o.list() },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON for each package")
	return cmd
}

func grantsShowCmd(o *grants) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ALIAS", Short: "Show what an agent of a package may do", Example: "  parallax grants show critic",
		Args: cli.Args(1, 1, "one alias"),
		RunE: func(_ *cobra.Command, args []string) error { return o.show(args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON")
	return cmd
}

func grantsRevokeCmd(o *grants) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ALIAS...", Short: "Take back what agents of packages were granted",
		Long:    "Take back what agents of packages were granted in this project. They do not start any more until parallax install has asked for it again.",
		Example: "  parallax grants revoke critic",
		Args:    cli.Args(1, -1, "an alias"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.revoke(cmd.Context(), args) },
	}
}

// granted is an agent package as --json has it.
type granted struct {
	Alias       string       `json:"alias"`
	Source      string       `json:"source"`
	Version     string       `json:"version"`
	State       string       `json:"state"` // granted, not granted, not installed
	Digest      string       `json:"digest,omitempty"`
	Permissions *permissions `json:"permissions,omitempty"`
	Agents      []agentOf    `json:"agents,omitempty"`
}

// agentOf is an agent of the project that a package serves.
type agentOf struct {
	Name        string       `json:"name"`
	Permissions *permissions `json:"permissions,omitempty"` // where its own table takes the place of what was granted
}

// permissions are what an agent may do, as JSON has it.
type permissions struct {
	Net     []string `json:"net,omitempty"`
	Secrets []string `json:"secrets,omitempty"`
	Read    []string `json:"read,omitempty"`
	Write   []string `json:"write,omitempty"`
	Exec    []string `json:"exec,omitempty"`
	Memory  int64    `json:"memory,omitempty"` // bytes
	Sandbox string   `json:"sandbox,omitempty"`
}

func permissionsJSON(p *manifest.Permissions) *permissions {
	if p == nil {
		return nil
	}
	return &permissions{p.Net, p.Secrets, p.Read, p.Write, p.Exec, p.Memory, p.Sandbox}
}

// all reads what the project granted.
func (o *grants) all() (*manifest.Manifest, []market.Grant, error) {
	p, err := o.found()
	if err != nil {
		return nil, nil, err
	}
	all, err := p.Grants()
	return p.Manifest, all, err
}

func (o *grants) list() error {
	m, all, err := o.all()
	if err != nil {
		return err
	}
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, g := range all {
		if o.json {
			if err := cli.JSON(o.app, grantedOf(m, g)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "@%s\t%s\t%s\t%s\t%s\n", g.Alias, g.Source, g.Version, stateOfGrant(g), brief(g.Wants))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(all) == 0 && !o.json {
		fmt.Fprintln(o.app.Err, "no agents of packages here, so nothing was granted")
	}
	_, err = table.WriteTo(o.app.Out)
	return err
}

func stateOfGrant(g market.Grant) string {
	switch {
	case g.Digest == "":
		return "not granted"
	case g.Wants == nil:
		return "not installed"
	case !g.Granted:
		return "not granted"
	}
	return "granted"
}

// brief is permissions on one line.
func brief(p *manifest.Permissions) string {
	if p == nil {
		return ""
	}
	var parts []string
	for _, line := range lines(p) {
		parts = append(parts, line[0]+" "+line[1])
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

func grantedOf(m *manifest.Manifest, g market.Grant) granted {
	out := granted{Alias: g.Alias, Source: g.Source, Version: g.Version, State: stateOfGrant(g), Digest: g.Digest, Permissions: permissionsJSON(g.Wants)}
	for _, a := range servedBy(m, g.Alias) {
		out.Agents = append(out.Agents, agentOf{a.Name, permissionsJSON(a.Permissions)})
	}
	return out
}

// servedBy lists the agents of the project that a package serves.
func servedBy(m *manifest.Manifest, alias string) []manifest.Agent {
	var all []manifest.Agent
	for _, a := range m.Agents {
		if of, ok := a.Installed(); ok && of == alias {
			all = append(all, a)
		}
	}
	return all
}

// one finds the grant that somebody means.
func (o *grants) one(name string) (*manifest.Manifest, market.Grant, error) {
	m, all, err := o.all()
	if err != nil {
		return nil, market.Grant{}, err
	}
	alias, err := dependency(m, name)
	if err != nil {
		return nil, market.Grant{}, err
	}
	i := slices.IndexFunc(all, func(g market.Grant) bool { return g.Alias == alias })
	if i < 0 {
		return nil, market.Grant{}, cli.Usagef("parallax grants list shows the agents", "@%s is a pattern, which is granted nothing: it asks agents, and they have permissions", alias)
	}
	return m, all[i], nil
}

func (o *grants) show(name string) error {
	m, g, err := o.one(name)
	if err != nil {
		return err
	}
	if o.json {
		return cli.JSON(o.app, grantedOf(m, g))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "@%s  %s %s  %s\n", g.Alias, g.Source, g.Version, stateOfGrant(g))
	if g.Digest != "" {
		fmt.Fprintf(&b, "digest     %s\n", g.Digest)
	}
	table(&b, g.Wants)
	for _, a := range servedBy(m, g.Alias) {
		fmt.Fprintf(&b, "agent %s", a.Name)
		if a.Permissions == nil {
			b.WriteString(" may do that\n")
			continue
		}
		b.WriteString(" has a table of its own in parallax.toml instead\n")
		table(&b, a.Permissions)
	}
	fmt.Fprint(o.app.Out, b.String())
	if stateOfGrant(g) != "granted" {
		fmt.Fprintln(o.app.Err, "now: parallax install")
	}
	return nil
}

// table lists permissions.
func table(b *strings.Builder, p *manifest.Permissions) {
	if p == nil {
		return
	}
	all := lines(p)
	for _, line := range all {
		fmt.Fprintf(b, "    %-9s %s\n", line[0], line[1])
	}
	if len(all) == 0 {
		b.WriteString("    nothing\n")
	}
}

func (o *grants) revoke(ctx context.Context, names []string) error {
	var sources, told []string
	var dir string
	for _, name := range names {
		m, g, err := o.one(name)
		if err != nil {
			return err
		}
		dir = m.Dir
		if g.Digest == "" {
			told = append(told, fmt.Sprintf("%s was not granted anything\n", g.Ref))
			continue
		}
		sources = append(sources, g.Source)
		told = append(told, fmt.Sprintf("%s does not start any more; parallax install asks for its permissions again\n", g.Ref))
	}
	mk, err := o.market()
	if err != nil {
		return err
	}
	if err := mk.Revoke(ctx, dir, sources); err != nil {
		return err
	}
	fmt.Fprint(o.app.Err, strings.Join(told, ""))
	return nil
}
