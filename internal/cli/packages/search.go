package packages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/runtime"
)

type searchOptions struct {
	options
	query market.Query
	kind  string
	sort  string
	limit int
	json  bool
}

// NewSearchCmd makes `parallax search`.
func NewSearchCmd(app *cli.App) *cobra.Command {
	o := &searchOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "search [WORDS...]",
		Short: "Find packages in the index",
		Long: `Find packages in the index: those in which every word is found, or all of them. A word counts most as the name, then as the beginning of a part of the name, as a
keyword or a capability, as the owner or within the name, and in the description. What is verified or featured, and what has more stars and downloads, comes before what fits as well;
what is deprecated comes last.`,
		Example: "  parallax search debate\n  parallax search --kind agent --capability review --verified\n  parallax search --sort stars --limit 5",
		Args:    cli.Args(0, -1, "words"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.query.Words = strings.Fields(strings.Join(args, " "))
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.kind, "kind", "", "only `pattern`s or agents")
	f.StringVar(&o.query.Capability, "capability", "", "only agents with this `capability`")
	f.BoolVar(&o.query.Verified, "verified", false, "only those whose newest version is signed by whom the index names")
	f.StringVar(&o.sort, "sort", string(market.ByMatch), "`order`: match, stars, downloads or name")
	f.IntVar(&o.limit, "limit", 20, "show at most so many, 0 being all")
	f.BoolVar(&o.json, "json", false, "print one line of JSON for each package")
	return cmd
}

// foundJSON is a package that was found, as --json has it.
type foundJSON struct {
	Name         string        `json:"name"`
	Kind         manifest.Kind `json:"kind"`
	Version      string        `json:"version"`
	Source       string        `json:"source"`
	Description  string        `json:"description"`
	License      string        `json:"license,omitempty"`
	Keywords     []string      `json:"keywords,omitempty"`
	Capabilities []string      `json:"capabilities,omitempty"`
	Verified     bool          `json:"verified"`
	Featured     bool          `json:"featured"`
	Deprecated   string        `json:"deprecated,omitempty"` // why
	Stars        int64         `json:"stars"`
	Downloads    int64         `json:"downloads"`
	Index        string        `json:"index"`
}

func foundOf(p market.Found, v index.Version) foundJSON {
	f := foundJSON{
		Name: p.Name, Kind: p.Kind, Version: "v" + v.Version, Source: p.Source, Description: p.Description, License: p.License, Keywords: p.Keywords,
		Capabilities: p.Capabilities, Verified: p.Vouched(v), Featured: p.Featured, Stars: p.Stats.Stars, Downloads: p.Stats.Downloads, Index: p.Index,
	}
	if d, ok := p.Doc.Deprecation(p.Name, v.Version); ok {
		f.Deprecated = d.Reason
	}
	return f
}

// marks are what is special about a package, in words.
func (f foundJSON) marks() string {
	var marks []string
	for _, m := range []struct {
		is   bool
		word string
	}{{f.Verified, "verified"}, {f.Featured, "featured"}, {f.Deprecated != "", "deprecated"}} {
		if m.is {
			marks = append(marks, m.word)
		}
	}
	return strings.Join(marks, ", ")
}

func (o *searchOptions) run(ctx context.Context) error {
	if err := o.fits(); err != nil {
		return err
	}
	c, err := o.catalogue(ctx)
	if err != nil {
		return err
	}
	found := c.Search(o.query)
	shown := found
	if o.limit > 0 && len(found) > o.limit {
		shown = found[:o.limit]
	}
	if err := o.print(shown); err != nil {
		return err
	}
	switch {
	case len(found) == 0:
		o.nothing(c)
	case len(shown) < len(found):
		fmt.Fprintf(o.app.Err, "%d more: --limit %d shows all\n", len(found)-len(shown), len(found))
	}
	return nil
}

// fits checks the flags.
func (o *searchOptions) fits() error {
	switch kind := manifest.Kind(strings.TrimSuffix(o.kind, "s")); kind {
	case "", manifest.KindAgent, manifest.KindPattern:
		o.query.Kind = kind
	default:
		return cli.Usagef("--kind pattern or --kind agent", "there are no packages of kind %q", o.kind)
	}
	if o.query.Sort = market.Order(o.sort); !slices.Contains(market.Orders(), o.query.Sort) {
		return cli.Usagef("--sort match, stars, downloads or name", "packages are not sorted by %q", o.sort)
	}
	if o.limit < 0 {
		return cli.Usagef("--limit 0 shows all", "--limit cannot be %d", o.limit)
	}
	return nil
}

// listed makes what installs, for what cannot be done without an index.
func (o *options) listed() (*market.Market, error) {
	m, err := o.market()
	if err == nil && len(m.Index.At) == 0 {
		err = cli.Usagef("leave out PARALLAX_INDEX, or set it to URL#ed25519:KEY", "no index is to be asked: PARALLAX_INDEX is %q", market.NoIndex)
	}
	return m, err
}

// catalogue asks the indexes. Where one of several cannot be had the others serve.
func (o *options) catalogue(ctx context.Context) (*market.Catalogue, error) {
	m, err := o.listed()
	if err != nil {
		return nil, err
	}
	c, err := m.Index.Fresh(ctx)
	if err == nil || ctx.Err() != nil {
		return c, errors.Join(err, ctx.Err())
	}
	if c.Empty() {
		return nil, err
	}
	fmt.Fprintln(o.app.Err, strings.ReplaceAll(err.Error(), "\n", "; "))
	return c, nil
}

func (o *searchOptions) print(found []market.Found) error {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, p := range found {
		v, _ := p.Newest()
		f := foundOf(p, v)
		if o.json {
			if err := cli.JSON(o.app, f); err != nil {
				return err
			}
			continue
		}
		marks := f.marks()
		if marks != "" {
			marks = " [" + marks + "]"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d stars\t%d downloads\t%s%s\n", f.Name, f.Kind, f.Version, f.Stars, f.Downloads, f.Description, marks)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := table.WriteTo(o.app.Out)
	return err
}

// nothing says that nothing was found, and what may have been meant.
func (o *searchOptions) nothing(c *market.Catalogue) {
	fmt.Fprint(o.app.Err, "nothing found")
	var names []string
	for _, p := range c.Packages() {
		_, name, _ := strings.Cut(p.Name, "/")
		names = append(names, p.Name, name)
	}
	if len(o.query.Words) == 1 {
		if near := runtime.Nearest(o.query.Words[0], names); near != "" {
			fmt.Fprintf(o.app.Err, "; did you mean %s?", near)
		}
	}
	fmt.Fprintln(o.app.Err)
}
