package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
)

// sdkModule is the module of the SDK for agents.
const sdkModule = "github.com/parallax-run/parallax/plugins/agent"

// newOptions are what the command line says.
type newOptions struct {
	app   *cli.App
	name  string
	lang  string
	owner string
	dir   string // "" is one of the agent's name
	sdk   string // directory of the SDK, or ""
}

func newCmd(app *cli.App) *cobra.Command {
	o := &newOptions{app: app}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Start an agent in Go, Node or Python",
		Long: `Write an agent that works at once, passes its test and the conformance suite, and can be published: the program, a test, parallax.toml,
a README, a workflow that makes releases, and a project to try it with. No file that is there is changed.

In Go, go mod tidy fetches the released SDK; with a parallax that you built from a checkout, give that one with --sdk. In Node and Python
the SDK is one file of the agent.`,
		Example: "  parallax plugin new words && cd words && go mod tidy && go build && parallax plugin test\n" +
			"  parallax plugin new words --lang node && cd words && npm ci && parallax plugin test\n" +
			"  parallax plugin new words --sdk ~/src/parallax/plugins/agent",
		Args: cli.Args(1, 1, "the name of one agent"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run()
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.lang, "lang", "go", "`LANGUAGE` to write it in: "+strings.Join(languageNames(), ", "))
	f.StringVar(&o.owner, "owner", "OWNER", "`NAME` on GitHub under which it will be published")
	f.StringVar(&o.dir, "dir", "", "`DIRECTORY` to write to, instead of one of the agent's name")
	f.StringVar(&o.sdk, "sdk", "", "`DIRECTORY` of the Go SDK's source, to build against it instead of a release")
	return cmd
}

var (
	newName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	newOwner = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}$`)
)

func (o *newOptions) run() error {
	lang, known := languageNamed(o.lang)
	switch {
	case !newName.MatchString(o.name):
		return cli.Usagef("use lower-case letters, digits and '-', such as word-counter", "%q cannot be an agent's name", o.name)
	case !known:
		return cli.Usagef("there are "+strings.Join(languageNames(), ", ")+"; docs/guides/first-agent.md tells what any other has to do", "there is no template in %q", o.lang)
	case o.sdk != "" && lang.name != "go":
		return cli.Usagef("leave it out: the SDK is a file of the agent", "--sdk is for agents in Go")
	case !newOwner.MatchString(o.owner):
		return cli.Usagef("write the name of your account or organisation on GitHub", "%q cannot be an owner", o.owner)
	}
	dir := o.dir
	if dir == "" {
		dir = o.name
	}
	dir = o.absolute(dir)
	files, err := lang.files(o.name, o.owner)
	if err != nil {
		return err
	}
	if lang.name == "go" {
		if err := o.module(files); err != nil {
			return err
		}
	}
	if err := write(o.app, dir, files); err != nil {
		return err
	}
	return o.next(lang, dir)
}

func (o *newOptions) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(o.app.Dir, path)
}

// module adds go.mod. Built against the SDK's source, the agent needs what the SDK needs, and nothing has to be fetched
// that the SDK has not fetched already.
func (o *newOptions) module(files map[string][]byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "module %s\n\ngo 1.26.0\n", o.name)
	if o.sdk == "" {
		files["go.mod"] = b.Bytes()
		return nil
	}
	sdk := o.absolute(o.sdk)
	text, err := os.ReadFile(filepath.Join(sdk, "go.mod"))
	if err != nil || !bytes.HasPrefix(text, []byte("module "+sdkModule+"\n")) {
		return cli.Usagef("give the directory plugins/agent of the parallax source", "--sdk: %s is not the SDK", o.sdk)
	}
	fmt.Fprintf(&b, "\nrequire %s v0.0.0\n%s\nreplace %s => %s\n", sdkModule, requires(text), sdkModule, quoted(sdk))
	files["go.mod"] = b.Bytes()
	if files["go.sum"], err = os.ReadFile(filepath.Join(sdk, "go.sum")); err != nil {
		return fmt.Errorf("read the SDK's go.sum: %w", err)
	}
	return nil
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
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := create(path, files[name]); err != nil {
			return err
		}
		fmt.Fprintf(app.Err, "wrote %s\n", cli.Short(app.Dir, path))
	}
	return nil
}

// create writes a file that must not be there. Scripts can be run.
func create(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the agent: %w", err)
	}
	mode := os.FileMode(0o644)
	if filepath.Ext(path) == ".sh" {
		mode = 0o755
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write the agent: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func (o *newOptions) next(lang language, dir string) error {
	steps := []string{"cd " + cli.Short(o.app.Dir, dir)}
	if lang.name == "go" && o.sdk == "" {
		steps = append(steps, "go mod tidy")
	}
	if lang.prepare != "" {
		steps = append(steps, lang.prepare)
	}
	steps = append(steps, "parallax plugin test", "parallax run try")
	_, err := fmt.Fprintf(o.app.Err, "\nnow: %s\n", strings.Join(steps, " && "))
	return err
}
