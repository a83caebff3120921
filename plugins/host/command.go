package host

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
)

// command is what decides whether two agents may share a process.
type command struct {
	argv    []string
	dir     string
	files   string   // where words of argv may name files
	env     []string // names that the process may see
	secrets []string // names that its sessions get
	label   string   // for messages: the agent that asked first

	policy   *sandbox.Policy // nil means that it is not sandboxed
	gateways []Gateway

	remote *remote // where it is served; nil where argv starts it
}

func (c command) key() string {
	parts := [][]string{c.argv, {c.dir, c.files}, c.env, c.secrets, {c.policy.Key()}}
	for _, g := range c.gateways {
		parts = append(parts, []string{g.Secret, g.Target, g.Header, g.Prefix})
	}
	if r := c.remote; r != nil {
		parts = append(parts, []string{r.URL, r.CA, r.Cert, r.Key, r.Token})
	}
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%q", p)
	}
	return b.String()
}

// hidden are the names of the variables whose values are not shown.
func (c command) hidden() []string {
	if c.remote == nil || c.remote.Token == "" {
		return c.secrets
	}
	return append(slices.Clip(c.secrets), c.remote.Token)
}

// alwaysVisible are the variables every agent process sees: what programs need to find other programs and a place for
// temporary files, none of which is a secret.
func alwaysVisible() []string {
	return []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA"}
}

// environ builds the environment of the process from names.
func (c command) environ(lookup func(string) (string, bool)) []string {
	env := []string{agentpb.StdinWatch + "=1"}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(alwaysVisible(), c.env...)))) {
		if v, ok := lookup(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// commandOf resolves an agent's configuration to a command.
func (h *Host) commandOf(cfg AgentConfig) (command, error) {
	if cfg.Use == Grpc {
		return h.remoteCommand(cfg)
	}
	c := command{
		argv:    cfg.Command,
		dir:     cfg.Dir,
		files:   cmp.Or(cfg.Files, cfg.Dir),
		env:     slices.Sorted(slices.Values(cfg.Env)),
		secrets: slices.Sorted(slices.Values(cfg.Secrets)),
		label:   cfg.Name,

		policy: cfg.Policy, gateways: cfg.Gateways,
	}
	if err := c.checkPolicy(h.opts.Shim); err != nil {
		return c, err
	}
	if cfg.Use == "" {
		if len(cfg.Command) == 0 {
			return c, &StartError{Agent: cfg.Name, Problem: "has neither `use` nor `command`", Hint: "say what it is in parallax.toml"}
		}
		path, err := findProgram(cfg.Command[0], c.files)
		if err != nil {
			return c, &StartError{Agent: cfg.Name, Problem: err.Error(), Hint: "check `command` in parallax.toml", Cause: err}
		}
		c.argv = append([]string{path}, cfg.Command[1:]...)
		c.argv = c.absolute()
		return c, nil
	}
	if h.opts.Bundled != nil {
		if argv, ok := h.opts.Bundled(cfg.Use); ok && len(argv) > 0 {
			c.argv = argv
			return c, nil
		}
	}
	return c, &StartError{
		Agent: cfg.Name, Problem: fmt.Sprintf("there is no agent to use called %q", cfg.Use),
		Hint: "check the spelling of `use` in parallax.toml, or give a `command`",
	}
}

// findProgram looks a word up as a shell would, but relative to dir.
func findProgram(word, dir string) (string, error) {
	if filepath.Base(word) == word && word != "." && word != ".." {
		path, err := exec.LookPath(word)
		if err != nil && !errors.Is(err, exec.ErrDot) {
			return "", fmt.Errorf("there is no program %q on PATH", word)
		}
		return path, nil
	}
	path := word
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("there is no program %s", path)
	}
	if st.IsDir() {
		return "", fmt.Errorf("%s is a directory, not a program", path)
	}
	return path, nil
}

// secretsOf reads the values of the secrets that a configuration names.
func (h *Host) secretsOf(cfg AgentConfig) (map[string]string, error) {
	values := make(map[string]string, len(cfg.Secrets))
	for _, name := range cfg.Secrets {
		v, ok := h.opts.LookupEnv(name)
		if !ok {
			return nil, &StartError{
				Agent: cfg.Name, Problem: fmt.Sprintf("its secret %s is not set in the environment", name),
				Hint: "export " + name + ", or take it out of `secrets` in parallax.toml",
			}
		}
		if values[name] = v; cfg.Policy != nil && sandbox.Gateways && cfg.gateway(name) {
			values[name] = egress.Placeholder
		}
	}
	return values, nil
}
