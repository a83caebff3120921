package index

import (
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/index/site"
	"github.com/parallax-run/parallax/internal/market/index"
)

type siteOptions struct {
	options
	out   string
	key   string
	title string
}

func siteCmd(app *cli.App) *cobra.Command {
	o := &siteOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "site [DIR|FILE] --out DIR",
		Short: "Write an index as pages of HTML",
		Long: `Write an index as pages of HTML that any web server can serve: a front page with a search, a page for each package and for each who publishes some.
The pages load nothing. The index is a folder, or a file that parallax index build wrote; that file is believed if the key signed it that --key
gives, or key.pub beside it. Pages of packages that are gone are removed from DIR; other files in it stay.`,
		Example: "  parallax index site --out public\n  parallax index site public/index.ndjson --out public --key ed25519:...",
		Args:    cli.Args(0, 1, "one folder or file"),
		RunE:    func(_ *cobra.Command, args []string) error { return o.run(o.dir(args)) },
	}
	cmd.Flags().StringVar(&o.out, "out", "", "`DIR` to write to")
	cmd.Flags().StringVar(&o.key, "key", "", "public `KEY` of a file: ed25519:...")
	cmd.Flags().StringVar(&o.title, "title", "", "`TEXT` at the top of all pages")
	return cmd
}

func (o *siteOptions) run(from string) error {
	if o.out == "" {
		return cli.Usagef("for example: parallax index site --out public", "parallax index site needs --out DIR")
	}
	d, err := o.document(from)
	if err != nil {
		return err
	}
	out, err := openSite(o.path(o.out))
	if err != nil {
		return err
	}
	defer out.close()
	if err := site.Pages(d, site.Options{Title: o.title}, out.write); err != nil {
		return err
	}
	if err := out.finish(); err != nil {
		return err
	}
	fmt.Fprintf(o.app.Err, "%s: %s of %s\n", o.out, count(len(out.pages), "page"), count(len(d.Packages), "package"))
	return nil
}

// document reads an index from its folder, or from the file that was built.
func (o *siteOptions) document(from string) (d *index.Document, err error) {
	if info, err := os.Stat(from); err == nil && info.Mode().IsRegular() {
		return o.file(from)
	}
	err = within(from, func(fsys fs.FS) (err error) {
		d, err = index.Build(fsys, nil, clock(), true)
		return err
	})
	return d, err
}

func (o *siteOptions) file(name string) (*index.Document, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var key ed25519.PublicKey
	if o.key != "" {
		key, err = index.ParseKey(o.key)
	} else {
		err = within(filepath.Dir(name), func(fsys fs.FS) (err error) {
			key, err = published(fsys)
			return err
		})
	}
	switch {
	case err != nil:
		return nil, err
	case key == nil:
		return nil, cli.Usagef("give --key ed25519:..., or put it into "+index.KeyName+" beside the file", "nobody says which key signed %s", name)
	}
	return index.Parse(text, key)
}
