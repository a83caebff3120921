package manifest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// hostKeys are the keys of an agent that its host reads. All others are the agent's own.
var hostKeys = []string{
	"use", "command", "capabilities", "secrets", "env", "timeout", "max_concurrency", "dir", "description", "count",
	"requires_env", "provider", "rate", "burst", "queue", "permissions", "roles",
}

// maxCount bounds how many agents one table makes.
const maxCount = 100_000

var (
	agentName  = lazily(`^[a-z0-9][a-z0-9_.-]{0,99}$`)
	bundleName = lazily(`^[a-z][a-z0-9_-]*$`)
	envName    = lazily(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// agentsOf reads [agents], sorted by name.
func agentsOf(t *table, dir string) []Agent {
	var agents []Agent
	for _, name := range t.sortedKeys() {
		if !agentName().MatchString(name) {
			t.doc.problem(t.doc.place(t.sub(name)), nameHint(name), "%q cannot be an agent's name: use up to 100 lower-case letters, digits, '-', '_' and '.'", name)
			continue
		}
		if _, ok := t.m[name].(map[string]any); !ok {
			t.wrong(name, fmt.Sprintf("write [agents.%s] and below it use = \"openai\"", name), "agent %q is %s, want a table", name, kindOf(t.m[name]))
			continue
		}
		agents = append(agents, expand(agentOf(t.table(name), name, dir))...)
	}
	slices.SortStableFunc(agents, func(a, b Agent) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(agents); i++ {
		if a, b := agents[i-1], agents[i]; a.Name == b.Name {
			t.doc.problem(later(a.Pos, b.Pos), "rename one of them", "agent %q is there twice: a count makes names too", a.Name)
		}
	}
	return agents
}

func later(a, b Pos) Pos {
	if a.Line > b.Line {
		return a
	}
	return b
}

// nameHint proposes a name that is allowed.
func nameHint(name string) string {
	fixed := strings.Map(func(r rune) rune {
		if r < 128 && agentName().MatchString("a"+string(r)) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	fixed = strings.Trim(fixed, "-_.")
	if !agentName().MatchString(fixed) {
		return ""
	}
	return fmt.Sprintf("for example [agents.%s]", fixed)
}

// numbered is an agent and how many of it there shall be: zero for one without a number.
type numbered struct {
	Agent
	count int
}

// expand makes name-1 to name-N of an agent with a count.
func expand(n numbered) []Agent {
	if n.count == 0 {
		return []Agent{n.Agent}
	}
	agents := make([]Agent, n.count)
	for i := range agents {
		agents[i] = n.Agent
		agents[i].Name = fmt.Sprintf("%s-%d", n.Name, i+1)
	}
	return agents
}

// agentOf reads [agents.NAME].
func agentOf(t *table, name, dir string) numbered {
	a := Agent{
		Name:           name,
		Use:            t.text("use"),
		Capabilities:   t.texts("capabilities"),
		Secrets:        t.variables("secrets"),
		Env:            t.variables("env"),
		RequiresEnv:    t.variables("requires_env"),
		Timeout:        t.duration("timeout"),
		Provider:       t.text("provider"),
		MaxConcurrency: t.count("max_concurrency", mostCalls),
		Rate:           t.rate(),
		Dir:            dir,
		Description:    t.text("description"),
		Permissions:    permissionsOf(t.table("permissions"), dir),
		File:           t.doc.name,
		Pos:            t.doc.place(t.path),
	}
	slices.Sort(a.Capabilities)
	a.Capabilities = slices.Compact(a.Capabilities)
	if d := t.text("dir"); d != "" {
		a.Dir = below(dir, d)
	}
	t.program(&a, dir)
	t.refuseSecrets(name)
	if a.Queue = t.text("queue"); a.Queue != "" && !bundleName().MatchString(a.Queue) {
		t.wrong("queue", `write queue = "gpu", and start the workers that have the agent with --only gpu`, "queue is %q, want lower-case letters, digits, '-' and '_'", a.Queue)
	}
	a.Config = t.payload(t.ownedByHost(a.Use))
	n := numbered{a, t.count("count", maxCount)}
	n.Roles = t.fills(n.count)
	return n
}

// ownedByHost lists the keys that do not belong to the agent's own settings. A bundled agent reads `command` itself: it is what
// the agent runs, not what starts it.
func (t *table) ownedByHost(use string) []string {
	if use == Plugin {
		return hostKeys
	}
	return slices.DeleteFunc(slices.Clone(hostKeys), func(key string) bool { return key == "command" })
}

// program settles what starts the agent.
func (t *table) program(a *Agent, dir string) {
	command := t.texts("command")
	_, given := t.m["command"]
	switch {
	case a.Use == "" && t.m["use"] == nil:
		hint := `add use = "openai", or use = "plugin" with command = ["./my-agent"]`
		if given {
			hint = `add use = "exec" to run the command for each call, or use = "plugin" if it speaks the agent protocol`
		}
		t.wrong("", hint, "agent %q does not say what it uses", a.Name)
	case strings.ContainsAny(a.Use, `/\`):
		if given {
			t.wrong("command", `write use = "plugin" and the path as first word of command`, "agent %q has both a path in use and a command", a.Name)
		}
		a.Use, command, given = Plugin, []string{a.Use}, true
	case strings.HasPrefix(a.Use, "@") && ValidAlias(a.Use[1:]):
	case a.Use != "" && !bundleName().MatchString(a.Use):
		t.wrong("use", `write the name of a bundled agent such as "openai", a path such as "./my-agent", or "plugin"`, "use is %q", a.Use)
	}
	if a.Use != Plugin {
		return
	}
	if len(command) == 0 {
		if list, isList := t.m["command"].([]any); !given || isList && len(list) == 0 {
			t.wrong("use", `add command = ["./my-agent"]`, "agent %q is a plugin without a command", a.Name)
		}
		return
	}
	a.Command = slices.Clone(command)
	if strings.ContainsAny(a.Command[0], `/\`) {
		a.Command[0] = filepath.Clean(below(dir, a.Command[0]))
	}
}

// variables gives a list of names of environment variables. A message about one that is none does not show it: it may be a secret.
func (t *table) variables(key string) []string {
	names := t.texts(key)
	for i, name := range names {
		if !envName().MatchString(name) {
			t.doc.secret(t.sub(key), fmt.Sprintf("write %s = [\"OPENAI_API_KEY\"] and set the variable where parallax runs", key),
				"%s[%d] is not the name of an environment variable", key, i)
			return nil
		}
	}
	return names
}
