package plugin

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
)

//go:embed template
var template embed.FS

// sdkModule is the module of the SDK for agents.
const sdkModule = "github.com/parallax-run/parallax/plugins/agent"

// newOptions are what the command line says.
type newOptions struct {
	app  *cli.App
	name string
	dir  string // "" is one of the agent's name
	sdk  string // directory of the SDK, or ""
}

func newCmd(app *cli.App) *cobra.Command {
	o := &newOptions{app: app}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Start an agent in Go",
		Long: `Write an agent in Go that builds, passes its test and the conformance suite: main.go, a test, go.mod, a README and a
project to try it with. No file that is there is changed. go mod tidy then fetches the released SDK; with a parallax that you
built from a checkout, give that one with --sdk.`,
		Example: "  parallax plugin new words && cd words && go mod tidy && go build -o bin/words .\n  parallax plugin new words --sdk ~/src/parallax/plugins/agent && cd words && go build -o bin/words .",
		Args:    cli.Args(1, 1, "the name of one agent"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run()
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", "", "`DIRECTORY` to write to, instead of one of the agent's name")
	cmd.Flags().StringVar(&o.sdk, "sdk", "", "`DIRECTORY` of the SDK's source, to build against it instead of a release")
	return cmd
}

func (o *newOptions) run() error {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`).MatchString(o.name) {
		return cli.Usagef("use lower-case letters, digits and '-', such as word-counter", "%q cannot be an agent's name", o.name)
	}
	dir := o.dir
	if dir == "" {
		dir = o.name
	}
	dir = o.absolute(dir)
	mod, sum, err := o.module()
	if err != nil {
		return err
	}
	files, err := o.files()
	if err != nil {
		return err
	}
	files["go.mod"] = mod
	if sum != nil {
		files["go.sum"] = sum
	}
	if err := write(o.app, dir, files); err != nil {
		return err
	}
	return o.next(dir)
}

func (o *newOptions) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(o.app.Dir, path)
}

// files are those of the template, by name.
func (o *newOptions) files() (map[string][]byte, error) {
	files := make(map[string][]byte)
	err := fs.WalkDir(template, "template", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := template.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "template/"), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		files[name] = bytes.ReplaceAll(text, []byte("NAME"), []byte(o.name))
		return nil
	})
	return files, err
}

// module writes go.mod. Built against the SDK's source, the agent needs what the SDK needs, and nothing has to be fetched
// that the SDK has not fetched already.
func (o *newOptions) module() (mod, sum []byte, err error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "module %s\n\ngo 1.26.0\n", o.name)
	if o.sdk == "" {
		return b.Bytes(), nil, nil
	}
	sdk := o.absolute(o.sdk)
	text, err := os.ReadFile(filepath.Join(sdk, "go.mod"))
	if err != nil || !bytes.HasPrefix(text, []byte("module "+sdkModule+"\n")) {
		return nil, nil, cli.Usagef("give the directory plugins/agent of the parallax source", "--sdk: %s is not the SDK", o.sdk)
	}
	fmt.Fprintf(&b, "\nrequire %s v0.0.0\n%s\nreplace %s => %s\n", sdkModule, requires(text), sdkModule, quoted(sdk))
	sum, err = os.ReadFile(filepath.Join(sdk, "go.sum"))
	if err != nil {
		return nil, nil, fmt.Errorf("read the SDK's go.sum: %w", err)
	}
	return b.Bytes(), sum, nil
}

// requires takes the blocks of requirements out of a go.mod, all marked as indirect.
func requires(mod []byte) string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(string(mod)) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "require ("):
			inside = true
			b.WriteString("\nrequire (\n")
		case inside && trimmed == ")":
			inside = false
			b.WriteString(")\n")
		case inside && trimmed != "":
			name, _, _ := strings.Cut(trimmed, "//")
			b.WriteString("\t" + strings.TrimSpace(name) + " // indirect\n")
		}
	}
	return b.String()
}

// quoted is a path as go.mod wants it.
func quoted(path string) string {
	if strings.ContainsAny(path, " \t\"'`,()") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

func write(app *cli.App, dir string, files map[string][]byte) error {
	for name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return cli.Usagef("choose another directory with --dir, or move the file away", "%s is there already", cli.Short(app.Dir, filepath.Join(dir, name)))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cli.Usagef("choose another directory with --dir", "cannot make the directory: %v", err)
	}
	for _, name := range []string{"go.mod", "go.sum", "main.go", "main_test.go", "parallax.toml", "try.star", "README.md", ".gitignore"} {
		text, ok := files[name]
		if !ok {
			continue
		}
		if err := create(filepath.Join(dir, name), text); err != nil {
			return err
		}
		fmt.Fprintf(app.Err, "wrote %s\n", cli.Short(app.Dir, filepath.Join(dir, name)))
	}
	return nil
}

// create writes a file that must not be there.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the agent: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func (o *newOptions) next(dir string) error {
	fetch := ""
	if o.sdk == "" {
		fetch = "go mod tidy && "
	}
	_, err := fmt.Fprintf(o.app.Err, "\nnow: cd %s && %sgo build -o bin/%s . && parallax plugin test bin/%s && parallax run\n",
		cli.Short(o.app.Dir, dir), fetch, o.name, o.name)
	return err
}
