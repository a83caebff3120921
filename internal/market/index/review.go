package index

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Review gives what is to be said of an index before it is taken over: its Findings, what must not change since previous, and what a person should
// look at in versions that previous does not have. Without a previous one that is the newest version of each package.
func (r *Repository) Review(previous *Document, now time.Time) []Finding {
	f := &findings{list: slices.Clone(r.Findings)}
	for i := range r.Entries {
		e := &r.Entries[i]
		f.file, f.lines = Path(e.Name), r.lines[Path(e.Name)]
		var was *Entry
		if previous != nil {
			was = &Entry{}
			if p, ok := previous.Find(e.Name); ok {
				was = &p.Entry
				e.rewritten(f, was)
				e.lost(f, was)
			}
		}
		e.review(f, was, now)
	}
	if previous != nil {
		r.gone(f, previous)
	}
	slices.SortStableFunc(f.list, func(a, b Finding) int { return strings.Compare(a.File, b.File) })
	return f.list
}

// gone notes packages that are not there any more.
func (r *Repository) gone(f *findings, previous *Document) {
	for _, p := range previous.Packages {
		if _, ok := r.Entry(p.Name); !ok {
			f.file, f.lines = Path(p.Name), nil
			f.remark("", "to take a package down, keep its entry and name it in "+RemovedName, "the package %s is gone", p.Name)
		}
	}
}

// lost notes versions that are gone.
func (e *Entry) lost(f *findings, was *Entry) {
	for _, v := range was.Versions {
		if _, ok := e.Find(v.Version); !ok {
			f.wrong("versions", "put it back; to take a version back, give it a reason in yanked", "version %s is gone", v.Version)
		}
	}
}

// New lists the versions that was does not have, by place; without was, the newest one.
func (e *Entry) New(was *Entry) []int {
	if was == nil {
		return []int{len(e.Versions) - 1}
	}
	var places []int
	for i, v := range e.Versions {
		if _, ok := was.Find(v.Version); !ok {
			places = append(places, i)
		}
	}
	return places
}

func (e *Entry) review(f *findings, was *Entry, now time.Time) {
	places := e.New(was)
	if len(places) > 0 && e.License == "" {
		f.remark("license", `write its SPDX name, such as "Apache-2.0"`, "there is no license, so nobody may use it")
	}
	if len(places) > 0 && len(e.Maintainers) == 0 {
		f.remark("maintainers", "name who answers for it", "there are no maintainers")
	}
	for _, i := range places {
		v, at := &e.Versions[i], fmt.Sprintf("versions[%d]", i)
		if v.Released.After(now.Add(time.Hour)) {
			f.wrong(at+".released", "", "version %s is from the future", v.Version)
		}
		if e.Verified != "" && !e.Vouched(*v) {
			f.remark(at+".identity", "it will not have the mark verified", "version %s is not signed by %s", v.Version, e.Verified)
		}
		v.wide(f, at+".permissions")
		if i > 0 {
			v.widened(f, at+".permissions", &e.Versions[i-1])
		}
	}
}

// widened notes what a version asks for and the one before it did not.
func (v *Version) widened(f *findings, at string, before *Version) {
	if v.Permissions == nil {
		return
	}
	had := &Permissions{}
	if before.Permissions != nil {
		had = before.Permissions
	}
	was := had.lists()
	for i, l := range v.Permissions.lists() {
		for _, item := range l.items {
			if !slices.Contains(was[i].items, item) && (i < 5 || len(was[i].items) > 0) {
				f.remark(at+"."+l.name, "people are asked again when they upgrade", "version %s asks for %s %s, which %s did not", v.Version, l.name, item, before.Version)
			}
		}
	}
}

// Bounds of what is sane.
const (
	saneMemory = 16 << 30
	saneItems  = 20
)

// wide notes permissions that few agents need.
func (v *Version) wide(f *findings, at string) {
	p, err := v.Permissions.Manifest()
	if p == nil || err != nil {
		return
	}
	say := func(list, item, why string) {
		f.remark(at+"."+list, "take it over only if its description says why", "version %s asks for %s %s: %s", v.Version, list, item, why)
	}
	for _, l := range []struct {
		name  string
		items []string
		judge func(string) string
	}{
		{"net", p.Net, wideNet},
		{"secrets", p.Secrets, func(s string) string { return wideSecret(s, p.Net) }},
		{"read", v.Permissions.Read, outside},
		{"write", v.Permissions.Write, wideWrite},
		{"exec", p.Exec, wideExec},
	} {
		for _, item := range l.items {
			if why := l.judge(item); why != "" {
				say(l.name, item, why)
			}
		}
		if len(l.items) > saneItems {
			say(l.name, strconv.Itoa(len(l.items))+" items", "nobody reads that many")
		}
	}
	if p.Memory > saneMemory {
		say("memory", v.Permissions.Memory, "that is more than most machines have")
	}
	if p.Sandbox == "basic" {
		say("sandbox", p.Sandbox, "that level stops none that means harm")
	}
}

func wideNet(item string) string {
	host := item
	if at := strings.LastIndexByte(item, ':'); at > strings.LastIndexByte(item, ']') {
		host = item[:at]
	}
	host = strings.Trim(host, "[]")
	addr, _, _ := strings.Cut(host, "/")
	_, err := netip.ParseAddr(addr)
	switch below, all := strings.CutPrefix(host, "*."); {
	case host == "*":
		return "that is the whole network"
	case all && strings.Count(below, ".") == 0:
		return "that is every host below " + below
	case host == "localhost", err == nil:
		return "that is an address in somebody's own network"
	}
	return ""
}

func wideSecret(item string, net []string) string {
	if strings.Contains(item, "@") || !slices.ContainsFunc(net, func(n string) bool { return strings.HasPrefix(n, "*") }) {
		return ""
	}
	return "it can send it to hosts that nobody knows"
}

// outside judges a path as the manifest writes it.
func outside(item string) string {
	rest, ok := strings.CutPrefix(item, Workspace)
	switch {
	case slices.Contains(strings.Split(strings.ReplaceAll(item, `\`, "/"), "/"), ".."):
		return "that leads out of the project"
	case !ok && (path.IsAbs(item) || strings.HasPrefix(item, "~") || strings.Contains(item, ":")):
		return "that is outside of the project"
	case ok && rest != "" && rest[0] != '/':
		return "there is no such place"
	}
	return ""
}

func wideWrite(item string) string {
	if why := outside(item); why != "" {
		return why
	}
	switch first, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(strings.TrimPrefix(item, Workspace)), "/"), "/"); first {
	case ".", "":
		return "it can change all of the project, " + manifest.FileName + " and the hooks of git too"
	case ".git", manifest.FileName, manifest.LockName:
		return "by that it can have anything run"
	}
	return ""
}

// interpreters are programs by which one can run anything, in the sandbox of who runs them.
func interpreters() []string {
	return []string{"bash", "bun", "cmd", "dash", "deno", "docker", "env", "node", "npx", "perl", "php", "podman", "powershell", "pwsh", "python", "python3", "ruby", "sh", "ssh", "sudo", "uvx", "zsh"}
}

func wideExec(item string) string {
	switch base := strings.TrimSuffix(path.Base(item), ".exe"); {
	case item == "*":
		return "that is every program"
	case slices.Contains(interpreters(), base):
		return "by that it can run anything"
	}
	return ""
}
