package manifest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Text is the table [permissions] as one would write it, without its head. Paths below dir are written with $WORKSPACE.
func (p *Permissions) Text(dir string) string {
	var b strings.Builder
	line := func(key string, items []string) {
		if len(items) > 0 {
			quoted := make([]string, len(items))
			for i, item := range items {
				quoted[i] = fmt.Sprintf("%q", item)
			}
			fmt.Fprintf(&b, "%s = [%s]\n", key, strings.Join(quoted, ", "))
		}
	}
	line("net", p.Net)
	line("secrets", p.Secrets)
	line("read", workspaced(p.Read, dir))
	line("write", workspaced(p.Write, dir))
	line("exec", p.Exec)
	if p.Memory > 0 {
		fmt.Fprintf(&b, "memory = %q\n", sizeText(p.Memory))
	}
	if p.Sandbox != "" {
		fmt.Fprintf(&b, "sandbox = %q\n", p.Sandbox)
	}
	return b.String()
}

func workspaced(paths []string, dir string) []string {
	list := slices.Clone(paths)
	for i, path := range list {
		if rest, ok := strings.CutPrefix(path, dir); ok && dir != "" && (rest == "" || rest[0] == filepath.Separator) {
			list[i] = "$WORKSPACE" + filepath.ToSlash(rest)
		}
	}
	return list
}

func sizeText(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprint(n)
}

// ReadPermissions reads a text that is one table [permissions]. Paths are seen from dir. The error is an *Error.
func ReadPermissions(name string, text []byte, dir string) (*Permissions, error) {
	doc, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	top := doc.top()
	top.only("permissions")
	p := permissionsOf(top.table("permissions"), dir)
	if p == nil {
		doc.problem(Pos{1, 1}, "write [permissions], and below it what is allowed; an empty table allows nothing", "there is no [permissions]")
	}
	return p, doc.err()
}

// SetPermissions gives the text of a manifest in which an agent of the project has a table of permissions of its own, in place of one it had. All else stays as
// it is, comments included. The error is an *Error when the text is wrong, and an *EditError when it cannot be changed by a program.
func SetPermissions(name string, text []byte, agent string, p *Permissions) ([]byte, error) {
	before, err := Parse(name, text)
	if err != nil {
		return nil, err
	}
	head := "[agents." + agent + ".permissions]\n"
	edited := []byte(withoutTable(string(text), agent) + "\n" + head + p.Text(before.Dir))
	after, err := Parse(name, edited)
	if err == nil && len(after.Agents) == len(before.Agents) {
		if a, ok := after.Agent(agent); ok && a.Permissions != nil && a.Permissions.Text("") == p.Text("") {
			return edited, nil
		}
	}
	return nil, &EditError{
		Path: name, Message: fmt.Sprintf("the permissions of agent %q are written in a way that cannot be changed by a program", agent),
		Hint: "write them by hand: " + strings.ReplaceAll(strings.TrimSpace(head+p.Text(before.Dir)), "\n", "\n    "),
	}
}

// withoutTable takes an agent's table of permissions out of a text, which ends with a newline then.
func withoutTable(text, agent string) string {
	quoted := regexp.QuoteMeta(agent)
	head := regexp.MustCompile(`^\s*\[\s*agents\s*\.\s*("?)` + quoted + `("?)\s*\.\s*permissions\s*\]\s*(#.*)?$`)
	var kept []string
	inside := false
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, "\r\n")
		switch {
		case head.MatchString(bare):
			inside = true
		case anyTable().MatchString(bare):
			inside = false
		}
		if !inside {
			kept = append(kept, line)
		}
	}
	return strings.TrimRight(strings.Join(kept, ""), "\r\n") + "\n"
}
