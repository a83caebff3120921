package index

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/market/index"
)

type buildOptions struct {
	options
	out    string
	key    string
	shrink bool
}

func buildCmd(app *cli.App) *cobra.Command {
	o := &buildOptions{options: options{app: app}}
	cmd := &cobra.Command{
		Use:   "build [DIR] --out FILE --key FILE",
		Short: "Build and sign the index that people download",
		Long: `Build the files of an index into one and sign it. FILE - is standard output.

It is compared with the one that was published last: --previous, or else the file that is to be written if it is there. One that has much less is refused,
unless --shrink says that it is meant: fewer than 95 % of the packages, a version that is gone, a removal that is gone. One in which the commit, a hash
or the permissions of a published version are others is refused in any case.`,
		Example: `  parallax index build --key key.pem --out public/index.ndjson --previous https://index.example.org/index.ndjson`,
		Args:    cli.Args(0, 1, "one folder"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), o.dir(args)) },
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.out, "out", "", "`FILE` to write, - being standard output")
	cmd.Flags().StringVar(&o.key, "key", "", "`FILE` with the private key; parallax index keygen makes one")
	cmd.Flags().BoolVar(&o.shrink, "shrink", false, "the index may have less than before")
	return cmd
}

func (o *buildOptions) run(ctx context.Context, dir string) error {
	for _, need := range [][2]string{{"out", o.out}, {"key", o.key}} {
		if need[1] == "" {
			return cli.Usagef("for example: parallax index build --key key.pem --out "+index.FileName, "parallax index build needs --%s FILE", need[0])
		}
	}
	key, err := o.private()
	if err != nil {
		return err
	}
	return within(dir, func(fsys fs.FS) error { return o.build(ctx, fsys, key) })
}

// private reads the key.
func (o *buildOptions) private() (ed25519.PrivateKey, error) {
	text, err := readFile(o.path(o.key), "parallax index keygen "+o.key+" makes one")
	if err != nil {
		return nil, err
	}
	key, err := index.ParsePrivate(text)
	if e, ok := errors.AsType[*index.Error](err); ok {
		return nil, &index.Error{Code: e.Code, Message: o.key + ": " + e.Message, Hint: e.Hint}
	}
	return key, err
}

func (o *buildOptions) build(ctx context.Context, fsys fs.FS, key ed25519.PrivateKey) error {
	public := key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // as crypto/ed25519 promises
	switch said, err := published(fsys); {
	case err != nil:
		return err
	case said != nil && !said.Equal(public):
		return cli.Usagef("sign with the key of "+index.KeyName+", or change that file and tell people", "%s is the private key of %s, and %s says %s",
			o.key, index.KeyID(public), index.KeyName, index.KeyID(said))
	}
	if o.previous == "" && o.out != "-" {
		if info, err := os.Stat(o.path(o.out)); err == nil && info.Mode().IsRegular() {
			o.previous = o.out
		}
	}
	previous, err := o.last(ctx, public)
	if err != nil {
		return err
	}
	d, err := index.Build(fsys, previous, clock(), o.shrink)
	if err != nil {
		return err
	}
	text, err := d.Sign(key)
	if err != nil {
		return err
	}
	return o.write(d, text, public)
}

func (o *buildOptions) write(d *index.Document, text []byte, key ed25519.PublicKey) error {
	if o.out == "-" {
		_, err := o.app.Out.Write(text)
		return err
	}
	err := cli.Create(o.path(o.out), "--out", 0o644, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
	if err == nil {
		fmt.Fprintf(o.app.Err, "%s: %s, %d bytes, signed with the key %s\n", o.out, count(len(d.Packages), "package"), len(text), index.KeyID(key))
	}
	return err
}
