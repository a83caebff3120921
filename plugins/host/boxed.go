package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	prunner "github.com/hashicorp/go-plugin/runner"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
)

// levels is what is known of the levels that the machine gives. What turns out not to work is not tried again.
type levels struct {
	mu    sync.Mutex
	known bool
	best  sandbox.Level
	lacks []string
}

// highest is the level at which to try.
func (l *levels) highest() (sandbox.Level, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known {
		l.best, l.lacks = sandbox.Ceiling()
		l.known = true
	}
	return l.best, slices.Clone(l.lacks)
}

// lower notes that a level cannot be had.
func (l *levels) lower(than sandbox.Level, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.best >= than {
		l.best = than - 1
		l.lacks = append(l.lacks, why)
	}
}

// connect starts the process at the highest level that the machine gives, and never below what its policy asks for.
func (i *instance) connect() error {
	if i.proc.cmd.remote != nil {
		return i.connectRemote()
	}
	p := i.proc.cmd.policy
	if p == nil {
		return i.launch()
	}
	for {
		var lacks []string
		if i.level, lacks = i.proc.host.levels.highest(); i.level < p.LeastHere() {
			return i.proc.cmd.refused(&sandbox.LevelError{Wants: p.LeastHere(), Has: i.level, Lacks: lacks})
		}
		err := i.launch()
		step, ok := errors.AsType[*sandbox.StepError](err)
		if !ok || !step.Absent {
			return err
		}
		i.proc.host.levels.lower(i.level, step.Error())
	}
}

// refused is the error of a start that the sandbox does not allow.
func (c command) refused(err error) *StartError {
	hint := "parallax doctor says what this machine gives"
	if _, ok := errors.AsType[*sandbox.LevelError](err); ok {
		hint += "; a lower level is granted with sandbox = \"basic\" under its permissions"
	}
	return &StartError{Agent: c.label, Problem: err.Error(), Hint: hint, Cause: err}
}

// absent is the next step where a sandbox could not be closed because a path that is granted does not exist, else "".
func (c command) absent() string {
	if c.policy == nil {
		return ""
	}
	for _, path := range slices.Concat(c.policy.Read, c.policy.Write) {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "there is no " + path + ": make it, or take it out of the permissions"
		}
	}
	return ""
}

// checkPolicy refuses what a policy does not allow before anything starts.
func (c command) checkPolicy(shim []string) error {
	if c.policy == nil {
		return nil
	}
	if err := c.policy.Check(); err != nil {
		return &StartError{Agent: c.label, Problem: "its permissions are wrong: " + err.Error(), Hint: "correct [permissions]", Cause: err}
	}
	if len(shim) == 0 {
		return c.refused(errors.New("has permissions, and this host cannot make sandboxes"))
	}
	for _, name := range c.secrets {
		if !slices.Contains(c.policy.Secrets, name) {
			return &StartError{
				Agent: c.label, Problem: fmt.Sprintf("wants the secret %s, which its permissions do not grant", name),
				Hint: fmt.Sprintf("add secrets = [%q] to its permissions, or run with --allow-secret=%s", name, name),
			}
		}
	}
	return nil
}

// absolute gives the words of a sandboxed command, those that are paths below the directory of its files being absolute: it starts elsewhere.
func (c command) absolute() []string {
	if c.policy == nil {
		return c.argv
	}
	argv := slices.Clone(c.argv)
	for i, word := range argv[1:] {
		if path := filepath.Join(c.files, word); strings.HasPrefix(word, "."+string(filepath.Separator)) {
			if _, err := os.Stat(path); err == nil {
				argv[i+1] = path
			}
		}
	}
	return argv
}

// own lists the files of a command besides its program: those that its words name.
func (c command) own() []string {
	var paths []string
	for _, word := range c.argv[1:] {
		if filepath.IsAbs(word) && c.files != "" && strings.HasPrefix(word, filepath.Clean(c.files)+string(filepath.Separator)) {
			paths = append(paths, word)
		}
	}
	return paths
}

// boxed makes a runner whose process is in a sandbox.
func (i *instance) boxed(cmd *exec.Cmd, pluginEnv []string) (prunner.Runner, error) {
	h, c := i.proc.host, i.proc.cmd
	cmd.Env = []string{} // the shim's own
	r := newRunner(h.ctx, &h.spawner, cmd, i.logLine())
	env := environFor([]string{agentpb.StdinWatch + "=1", markName + "=" + r.mark}, pluginEnv)
	for _, name := range c.env {
		if v, ok := h.opts.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	scratch, tree, err := i.scratch()
	if err != nil {
		return nil, err
	}
	spec := sandbox.Spec{
		Policy: c.policy, Level: i.level, Argv: c.argv, Env: env, Shared: append([]string{scratch, i.blobDir}, socketDirs(pluginEnv)...),
		Scratch: scratch, Root: tree, Read: c.own(), Secret: h.opts.LookupEnv, Shim: h.opts.Shim, Log: h.log,
	}
	for _, g := range c.gateways {
		spec.Gateways = append(spec.Gateways, g.Gateway)
	}
	r.box, err = sandbox.New(spec)
	if err != nil {
		return nil, err
	}
	if _, another := r.box.UID(); another {
		if err := h.files.letThrough(); err != nil {
			r.box.Close()
			return nil, err
		}
	}
	r.admit = h.opts.StartTimeout
	i.runner = r
	return r, nil
}

// scratch makes the directories of a sandboxed process.
func (i *instance) scratch() (scratch, tree string, err error) {
	for _, dir := range []*string{&scratch, &tree} {
		if *dir, err = i.proc.host.files.private(); err != nil {
			return "", "", err
		}
		i.dirs = append(i.dirs, *dir)
	}
	return scratch, tree, nil
}

// socketDirs are where go-plugin lets the agent make its socket.
func socketDirs(env []string) []string {
	var dirs []string
	for _, kv := range env {
		if dir, ok := strings.CutPrefix(kv, "PLUGIN_UNIX_SOCKET_DIR="); ok && dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// workdir is where an agent works: a sandboxed one in its scratch directory, unless it may read the one it is given.
func (i *instance) workdir(dir string) string {
	if i.link != nil {
		return "" // its folders are its own
	}
	if p := i.proc.cmd.policy; p == nil || p.Allows(dir) || len(i.dirs) < 2 {
		return dir
	}
	return i.dirs[1]
}

// settings are what an agent is configured with. The URLs of servers that it reaches through gateways become theirs.
func (i *instance) settings(cfg AgentConfig) ([]byte, error) {
	if len(cfg.Config) == 0 {
		cfg.Config = []byte("{}")
	}
	if i.link != nil {
		_, own, err := remoteOf(cfg)
		return own, err
	}
	if i.runner.box == nil || !sandbox.Gateways || len(cfg.Gateways) == 0 {
		return cfg.Config, nil
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(cfg.Config, &settings); err != nil {
		return nil, fmt.Errorf("agent %q: its settings: %w", cfg.Name, err)
	}
	settings = maps.Clone(settings)
	for _, g := range cfg.Gateways {
		if url := i.runner.box.Gateway(g.Secret); g.Setting != "" && url != "" {
			settings[g.Setting] = []byte(`"` + url + `"`)
		}
	}
	return json.Marshal(settings)
}

// gateway says whether a secret is put in by a gateway.
func (cfg *AgentConfig) gateway(secret string) bool {
	return slices.ContainsFunc(cfg.Gateways, func(g Gateway) bool { return g.Secret == secret })
}
