package index

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/market/index"
)

func keygenCmd(app *cli.App) *cobra.Command {
	o := &options{app: app}
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key to sign an index with",
		Long: `Make a key to sign an index with. The private one is written to FILE, which must not be there yet and only you can read; the public one is
printed, and belongs into key.pub of the index and into the settings of who uses it.`,
		Example: "  parallax index keygen key.pem >key.pub",
		Args:    cli.Args(1, 1, "one file to write the private key to"),
		RunE:    func(_ *cobra.Command, args []string) error { return o.keygen(args[0]) },
	}
}

func (o *options) keygen(name string) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	text, err := index.PrivateText(private)
	if err != nil {
		return err
	}
	path := o.path(name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Usagef(publicOf(path)+"name another file for a new one; a key that is lost cannot be made again", "%s is there already", name)
	}
	if err != nil {
		return cli.Usagef("give a path that can be written", "%v", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
		return err
	}
	fmt.Fprintf(o.app.Err, "%s: the private key %s; keep it secret, and keep a copy\n", name, index.KeyID(public))
	_, err = fmt.Fprintln(o.app.Out, index.KeyText(public))
	return err
}

// publicOf tells the public key of the private one at path, for whoever made it a second time into the same files.
func publicOf(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	key, err := index.ParsePrivate(text)
	if err != nil {
		return ""
	}
	public, _ := key.Public().(ed25519.PublicKey)
	return "its public key is " + index.KeyText(public) + "; "
}
