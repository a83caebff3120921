package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/plugins/host/conform"
	"github.com/parallax-run/parallax/runtime"
)

// testOptions are what the command line says.
type testOptions struct {
	app     *cli.App
	argv    []string
	config  string
	input   string
	task    string
	secrets []string
	env     []string
	timeout time.Duration
	json    bool
	remote  remoteOptions
}

func testCmd(app *cli.App) *cobra.Command {
	o := &testOptions{app: app}
	cmd := &cobra.Command{
		Use:   "test [BINARY [ARG...] | URL]",
		Short: "Check that a program is a good agent",
		Long: `Start an agent, in any language, and check that it keeps the protocol, also when it is treated badly. Without BINARY, or with a
directory, it is the one whose parallax.toml has a table [agent]. One that is served elsewhere is named by its URL, grpcs://HOST:PORT.
Flags of parallax stand before BINARY or URL. A check that fails ends with exit code 1.`,
		Example: "  parallax plugin test\n  parallax plugin test ./bin/words\n  parallax plugin test --config '{\"model\": \"m\"}' --secret API_KEY node agent.js\n" +
			"  parallax plugin test --ca ca.pem --token-env AGENT_TOKEN grpcs://agents.example.com:7443",
		Args: cli.Args(0, -1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.argv = args
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.config, "config", "", "a configuration that the agent accepts, as `JSON`")
	f.StringVar(&o.input, "input", "", "inputs of sample calls, as `JSON`; else they are made up from the agent's schema")
	f.StringVar(&o.task, "task", "", "`task` of sample calls")
	f.StringArrayVar(&o.secrets, "secret", nil, "`name` of an environment variable that the agent gets as a secret; may be repeated")
	f.StringArrayVar(&o.env, "env", nil, "`name` of an environment variable that the process may see; may be repeated")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "bound of each check")
	f.BoolVar(&o.json, "json", false, "print one line of JSON")
	o.remote.flags(f)
	return cmd
}

func (o *testOptions) run(ctx context.Context) error {
	config, err := document("--config", o.config)
	if err != nil {
		return err
	}
	input, err := document("--input", o.input)
	if err != nil {
		return err
	}
	remote, err := o.remote.settings(o.argv)
	if err != nil {
		return err
	}
	argv, dir := o.argv, o.app.Dir
	if remote == nil {
		if argv, dir, err = o.program(); err != nil {
			return err
		}
	}
	r := conform.Run(ctx, conform.Options{
		Argv: argv, Remote: remote, Dir: dir, Config: config, Input: input, Task: o.task, Secrets: o.secrets, Env: o.env, Timeout: o.timeout,
	})
	if ctx.Err() != nil {
		return runtime.ErrCancelled()
	}
	if err := o.print(r); err != nil {
		return err
	}
	if !r.OK() {
		return &cli.Told{Code: cli.PatternFailed}
	}
	return nil
}

// program gives what starts the agent, and where it works: what the command line names, or the package in a directory.
func (o *testOptions) program() (argv []string, dir string, err error) {
	dir = o.app.Dir
	switch len(o.argv) {
	case 0:
		return packaged(o.app, dir)
	case 1:
		named := o.argv[0]
		if !filepath.IsAbs(named) {
			named = filepath.Join(dir, named)
		}
		if info, err := os.Stat(named); err == nil && info.IsDir() {
			return packaged(o.app, named)
		}
	}
	argv = slices.Clone(o.argv)
	if strings.ContainsAny(argv[0], `/\`) && !filepath.IsAbs(argv[0]) {
		argv[0] = filepath.Join(dir, argv[0])
	}
	return argv, dir, nil
}

// packaged gives what starts the agent of the package in dir.
func packaged(app *cli.App, dir string) ([]string, string, error) {
	m, err := manifest.Load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", cli.Usagef("parallax plugin test ./bin/my-agent", "parallax plugin test needs a program, or a %s that is an agent's", manifest.FileName)
	}
	if err != nil {
		return nil, "", err
	}
	if len(m.Program.Command) == 0 {
		return nil, "", cli.Usagef("parallax plugin test ./bin/my-agent", "%s has no table [agent], so it does not say which program to test", cli.Short(app.Dir, m.Path))
	}
	return market.Command(dir, m), dir, nil
}

// document checks that a flag is a JSON object; nil when it is not given.
func document(flag, text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	p, err := runtime.Canonical([]byte(text))
	if err != nil {
		return nil, cli.Usagef("write a JSON object, such as '{\"key\": 1}'", "%s: %v", flag, err)
	}
	if p[0] != '{' {
		return nil, cli.Usagef("write a JSON object, such as '{\"key\": 1}'", "%s is not a JSON object", flag)
	}
	return json.RawMessage(p), nil
}

func (o *testOptions) print(r conform.Report) error {
	if o.json {
		return cli.JSON(o.app, r)
	}
	var b strings.Builder
	failed, skipped := 0, 0
	for _, c := range r.Checks {
		mark := "ok   "
		switch {
		case !c.OK:
			mark = "FAIL "
			failed++
		case c.Skipped:
			mark = "skip "
			skipped++
		}
		fmt.Fprintf(&b, "%s %s\n", mark, c.Name)
		if !c.OK {
			fmt.Fprintf(&b, "      wants: %s\n", c.Wants)
		}
		if c.Why != "" {
			fmt.Fprintf(&b, "      %s\n", strings.ReplaceAll(c.Why, "\n", "\n      "))
		}
	}
	who := strings.TrimSpace(r.Name + " " + r.Version)
	if who == "" {
		who = filepath.Base(slices.Concat(o.argv, []string{"."})[0])
	}
	checks := "checks"
	if len(r.Checks) == 1 {
		checks = "check"
	}
	fmt.Fprintf(&b, "%s: %d %s, %d failed, %d skipped\n", who, len(r.Checks), checks, failed, skipped)
	_, err := fmt.Fprint(o.app.Out, b.String())
	return err
}
