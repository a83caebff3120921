package packages

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
)

type infoOptions struct {
	options
	json bool
}

// NewInfoCmd makes `parallax info`.
func NewInfoCmd(app *cli.App) *cobra.Command {
	o := &infoOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "info NAME|SOURCE",
		Short: "Show what is known of a package",
		Long: `Show what the index knows of a package: what it does, its versions, what it asks for, who signs it, and how to install it. Of a package that is in no index it shows the
versions that its host has. With @VERSION the permissions are those of that version, else of the newest.`,
		Example: "  parallax info acme/debate\n  parallax info github.com/acme/critic@v1.4.0 --json",
		Args:    cli.Args(1, 1, "one package"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one line of JSON")
	return cmd
}

// infoJSON is what --json prints.
type infoJSON struct {
	foundJSON
	Maintainers []string       `json:"maintainers,omitempty"`
	Signer      string         `json:"signer,omitempty"` // of the version: a URL
	Permissions *permissions   `json:"permissions,omitempty"`
	Removed     string         `json:"removed,omitempty"` // why the version, or the package, was
	Listed      bool           `json:"listed"`            // in an index
	Versions    []versionsJSON `json:"versions"`          // the newest first
}

type versionsJSON struct {
	Version  string     `json:"version"`
	Released *time.Time `json:"released,omitempty"`
	Commit   string     `json:"commit,omitempty"`
	Parallax string     `json:"parallax,omitempty"`
	Signer   string     `json:"signer,omitempty"`
	Note     string     `json:"note,omitempty"` // what became of it
}

func (o *infoOptions) run(ctx context.Context, name string) error {
	m, err := o.market()
	if err != nil {
		return err
	}
	c, ref, err := o.find(ctx, m, name)
	if err != nil {
		return err
	}
	p, ok := c.Source(ref.Source)
	if !ok {
		return o.unlisted(ctx, m, ref)
	}
	out, err := infoOf(p, ref, m.Index)
	if err != nil {
		return err
	}
	if o.json {
		return cli.JSON(o.app, out)
	}
	_, err = fmt.Fprint(o.app.Out, out.text())
	return err
}

// find says what is meant. A source needs no index.
func (o *infoOptions) find(ctx context.Context, m *market.Market, name string) (*market.Catalogue, market.Ref, error) {
	ref, err := m.Named(ctx, name)
	if err != nil {
		return nil, ref, err
	}
	c := &market.Catalogue{}
	if len(m.Index.At) > 0 {
		if c, err = m.Index.Fresh(ctx); err != nil {
			fmt.Fprintln(o.app.Err, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	return c, ref, ctx.Err()
}

// infoOf gathers what is known of a package in the index.
func infoOf(p market.Found, ref market.Ref, x *market.Indexes) (*infoJSON, error) {
	v, ok := p.Newest()
	if !ok {
		v = p.Versions[len(p.Versions)-1]
	}
	if ref.Version != "" {
		if v, ok = p.Find(strings.TrimPrefix(ref.Version, "v")); !ok {
			return nil, &market.Error{Code: market.NotFound, Message: fmt.Sprintf("the index has no version %s of %s", ref.Version, p.Name), Hint: "parallax info " + p.Name + " lists them"}
		}
	}
	out := &infoJSON{foundJSON: foundOf(p, v), Maintainers: p.Maintainers, Signer: v.Identity, Listed: true}
	asks, err := v.Permissions.Manifest()
	if err != nil {
		return nil, err
	}
	out.Permissions = permissionsJSON(asks)
	if r, ok := p.Doc.Removal(p.Name, v.Version); ok {
		out.Removed = cmp.Or(r.Reason, string(r.Severity))
	}
	for _, v := range slices.Backward(p.Versions) {
		line := versionsJSON{Version: "v" + v.Version, Released: &v.Released, Commit: v.Commit, Parallax: v.Parallax, Signer: v.Identity}
		if notes := x.Notes(market.Ref{Source: p.Source, Version: line.Version}); len(notes) > 0 {
			line.Note = notes[0].String()
		}
		out.Versions = append(out.Versions, line)
	}
	return out, nil
}

// text shows a package to a person.
func (i *infoJSON) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s %s", i.Name, i.Kind, i.Version)
	if marks := i.marks(); marks != "" {
		fmt.Fprintf(&b, "  [%s]", marks)
	}
	fmt.Fprintf(&b, "\n%s\n\n", i.Description)
	row := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-13s %s\n", label, text)
		}
	}
	row("removed", i.Removed)
	row("deprecated", i.Deprecated)
	row("source", i.Source)
	row("license", i.License)
	row("maintainers", strings.Join(i.Maintainers, ", "))
	row("capabilities", strings.Join(i.Capabilities, ", "))
	row("keywords", strings.Join(i.Keywords, ", "))
	row("used", fmt.Sprintf("%d stars, %d downloads", i.Stars, i.Downloads))
	row("signed by", cmp.Or(i.Signer, "nobody"))
	if i.Kind == manifest.KindAgent {
		row("asks for", cmp.Or(i.asks(), "nothing"))
	}
	b.WriteString("\nversions\n")
	const most = 10
	for _, v := range i.Versions[:min(most, len(i.Versions))] {
		fmt.Fprintf(&b, "    %-12s %s", v.Version, v.Released.Format(time.DateOnly))
		if v.Note != "" {
			fmt.Fprintf(&b, "  %s", v.Note)
		}
		b.WriteByte('\n')
	}
	if more := len(i.Versions) - most; more > 0 {
		fmt.Fprintf(&b, "    and %d older\n", more)
	}
	if i.Removed == "" {
		fmt.Fprintf(&b, "\nnow: parallax add %s%s\n", i.Name, i.orRun())
	}
	return b.String()
}

func (i *infoJSON) orRun() string {
	if i.Kind == manifest.KindPattern {
		return ", or parallax run " + i.Name
	}
	return ""
}

func (i *infoJSON) asks() string {
	if i.Permissions == nil {
		return ""
	}
	p := i.Permissions
	return brief(&manifest.Permissions{Net: p.Net, Secrets: p.Secrets, Read: p.Read, Write: p.Write, Exec: p.Exec, Memory: p.Memory, Sandbox: p.Sandbox})
}

// unlisted shows what the host of a package knows.
func (o *infoOptions) unlisted(ctx context.Context, m *market.Market, ref market.Ref) error {
	versions, err := m.Versions(ctx, ref.Source)
	if err != nil {
		return err
	}
	semver.Sort(versions)
	slices.Reverse(versions)
	out := &infoJSON{foundJSON: foundJSON{Source: ref.Source}}
	for _, v := range versions {
		out.Versions = append(out.Versions, versionsJSON{Version: v})
	}
	for _, n := range m.Index.Notes(ref) {
		if n.Kind.Removed() {
			out.Removed = n.String()
		}
	}
	if o.json {
		return cli.JSON(o.app, out)
	}
	text := fmt.Sprintf("%s is in no index, so that nobody but its author has looked at it\n", ref.Source)
	if out.Removed != "" {
		text = fmt.Sprintf("%s %s\n", ref.Source, out.Removed)
	}
	if len(versions) == 0 {
		text += "it has no version yet\n"
	} else {
		text += fmt.Sprintf("versions: %s\n", strings.Join(versions, ", "))
		if out.Removed == "" {
			text += "\nnow: parallax add " + ref.Source + "\n"
		}
	}
	_, err = fmt.Fprint(o.app.Out, text)
	return err
}
