package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Bounds of what an entry says.
const (
	maxText     = 300 // characters of a line
	maxList     = 100
	maxVersions = 2000
)

// check notes what an entry must not say.
func (e *Entry) check(f *findings) {
	if !ValidName(e.Name) {
		f.wrong("name", "write owner/name in lower case, as its source has it", "%q cannot be the name of a package", e.Name)
	}
	if e.Kind != manifest.KindPattern && e.Kind != manifest.KindAgent {
		f.wrong("kind", `write "pattern" or "agent"`, "kind is %q", e.Kind)
	}
	switch {
	case !manifest.ValidSource(e.Source):
		f.wrong("source", "write github.com/owner/repo", "%q is not the source of a package", e.Source)
	case NameOf(e.Source) != e.Name:
		f.wrong("source", fmt.Sprintf("its name would be %q", NameOf(e.Source)), "%s is not where %s comes from", e.Source, e.Name)
	}
	if e.Description == "" {
		f.wrong("description", "say in one line what it does", "there is no description")
	}
	f.text("description", e.Description)
	if e.License != "" && !License(e.License) {
		f.wrong("license", `write its SPDX name, such as "Apache-2.0" or "MIT OR Apache-2.0"`, "license is %q", e.License)
	}
	f.names("keywords", e.Keywords, keyword, "write lower-case letters, digits and '-'")
	f.names("capabilities", e.Capabilities, keyword, "write lower-case letters, digits and '-'")
	f.names("maintainers", e.Maintainers, user, "write names of users on its host")
	if e.Verified != "" && !ownerOn(e.Verified) {
		f.wrong("verified", "write github.com/owner, whose workflows sign its releases", "verified is %q", e.Verified)
	}
	e.versions(f)
}

// text notes what is not one readable line.
func (f *findings) text(path, s string) {
	switch odd := strings.IndexFunc(s, unreadable); {
	case odd >= 0:
		r, _ := utf8.DecodeRuneInString(s[odd:])
		f.wrong(path, "keep it to one line of plain text", "%s has the character %U, which cannot be seen", path, r)
	case utf8.RuneCountInString(s) > maxText:
		f.wrong(path, fmt.Sprintf("keep it to %d characters", maxText), "%s is too long", path)
	case strings.TrimSpace(s) != s:
		f.wrong(path, "remove it", "%s has blanks around it", path)
	}
}

// unreadable are characters that break a line, cannot be seen, or change how others are read.
func unreadable(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && !joiner(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Co, r)
}

// joiner is a character that some scripts cannot be written without.
func joiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// names notes what in a list does not have its form, or is there twice.
func (f *findings) names(path string, list []string, form func(string) bool, hint string) {
	if len(list) > maxList {
		f.wrong(path, "", "%s has %d items, and %d are the most", path, len(list), maxList)
		return
	}
	for i, s := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case !form(s):
			f.wrong(at, hint, "%s has %.80q", path, s)
		case slices.Contains(list[:i], s):
			f.wrong(at, "keep one of them", "%s has %q twice", path, s)
		}
	}
}

func (e *Entry) versions(f *findings) {
	switch n := len(e.Versions); {
	case n == 0:
		f.wrong("versions", "a package has at least one version", "there are no versions")
	case n > maxVersions:
		f.wrong("versions", "", "there are %d versions, and %d are the most", n, maxVersions)
		return
	}
	for i := range e.Versions {
		at := fmt.Sprintf("versions[%d]", i)
		e.Versions[i].check(f, at, e.Kind)
		if i > 0 && ValidVersion(e.Versions[i].Version) && ValidVersion(e.Versions[i-1].Version) {
			switch c := Compare(e.Versions[i-1].Version, e.Versions[i].Version); {
			case c == 0:
				f.wrong(at+".version", "keep one of them", "version %s is there twice", e.Versions[i].Version)
			case c > 0:
				f.wrong(at+".version", "the newest one comes last", "version %s stands behind %s", e.Versions[i].Version, e.Versions[i-1].Version)
			}
		}
	}
}

func (v *Version) check(f *findings, at string, kind manifest.Kind) {
	if !ValidVersion(v.Version) {
		f.wrong(at+".version", "write all three numbers: 1.2.0", "%.80q is not a version", v.Version)
	}
	if !commitID(v.Commit) {
		f.wrong(at+".commit", "write the full commit of its tag in hex", "%.80q is not a commit", v.Commit)
	}
	if v.Released.IsZero() {
		f.wrong(at+".released", "write when it was released: 2026-01-02T15:04:05Z", "version %s does not say when it was released", v.Version)
	}
	if v.Parallax != "" && !ValidVersion(v.Parallax) {
		f.wrong(at+".parallax", "write all three numbers: 1.2.0", "parallax is %.80q, which is not a version", v.Parallax)
	}
	if v.Identity != "" && !address(v.Identity) {
		f.wrong(at+".identity", "write the URL of who signed it", "identity is %.80q", v.Identity)
	}
	f.text(at+".yanked", v.Yanked)
	v.contents(f, at, kind)
}

// contents checks what says which files the version has, and what they may do.
func (v *Version) contents(f *findings, at string, kind manifest.Kind) {
	switch {
	case kind == manifest.KindPattern && !treeHash(v.H1):
		f.wrong(at+".h1", "parallax publish writes it; parallax.lock has it as hash", "%.80q is not the hash of a pattern", v.H1)
	case kind == manifest.KindPattern && (len(v.Hashes) > 0 || v.Permissions != nil):
		f.wrong(at, "remove them", "a pattern has neither hashes nor permissions")
	case kind == manifest.KindAgent && len(v.Hashes) == 0:
		f.wrong(at+".hashes", "parallax publish writes them; parallax.lock has them as assets", "version %s has no hashes", v.Version)
	case kind == manifest.KindAgent && v.H1 != "":
		f.wrong(at+".h1", "remove it", "an agent has no h1: its archives have hashes")
	}
	if len(v.Hashes) > maxList {
		f.wrong(at+".hashes", "", "there are %d hashes, and %d are the most", len(v.Hashes), maxList)
		return
	}
	for _, on := range slices.Sorted(maps.Keys(v.Hashes)) {
		path := at + ".hashes." + on
		if !platform(on) {
			f.wrong(path, "write os/arch: linux/amd64", "%.80q is not a platform", on)
		}
		if !fileHash(v.Hashes[on]) {
			f.wrong(path, "write sha256: and 64 hex digits", "%.80q is not the hash of a file", v.Hashes[on])
		}
	}
	v.Permissions.check(f, at+".permissions")
}

// check notes permissions that cannot be read, or not by a person.
func (p *Permissions) check(f *findings, at string) {
	if p == nil {
		return
	}
	before := len(f.list)
	for _, l := range p.lists() {
		path := at + "." + l.name
		if len(l.items) > maxList {
			f.wrong(path, "", "%s has %d items, and %d are the most", l.name, len(l.items), maxList)
		}
		for i, item := range l.items {
			f.text(fmt.Sprintf("%s[%d]", path, i), item)
		}
	}
	if len(f.list) > before || f.signed {
		return
	}
	if _, err := p.Manifest(); err != nil {
		f.unreadable(at, err)
	}
}

type permissionList struct {
	name  string
	items []string
}

func (p *Permissions) lists() []permissionList {
	return []permissionList{{"net", p.Net}, {"secrets", p.Secrets}, {"read", p.Read}, {"write", p.Write}, {"exec", p.Exec}, {"memory", one(p.Memory)}, {"sandbox", one(p.Sandbox)}}
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// unreadable notes what a manifest would not read.
func (f *findings) unreadable(at string, err error) {
	e, ok := err.(*manifest.Error) //nolint:errorlint // as ParsePermissions promises
	if !ok {
		f.wrong(at, "", "%s", err)
		return
	}
	for _, p := range e.Problems {
		f.wrong(at, p.Hint, "%s", p.Message)
	}
}

// notes checks what stands beside the entries. Lists must name what can be a package.
func notes(f *findings, removed []Removed, deprecated []Deprecated) {
	for i, r := range removed {
		at := fmt.Sprintf("[%d]", i)
		f.note(at, r.Name, r.Versions, r.Reason)
		if gravity(r.Severity) < 0 {
			f.wrong(at+".severity", `write "malware", "security" or "policy"`, "severity is %.80q", r.Severity)
		}
	}
	for i, d := range deprecated {
		at := fmt.Sprintf("[%d]", i)
		f.note(at, d.Name, d.Versions, d.Reason)
		if d.Instead != "" && !ValidName(d.Instead) {
			f.wrong(at+".instead", "write owner/name", "instead is %.80q, which names no package", d.Instead)
		}
	}
}

func (f *findings) note(at, name string, versions []string, reason string) {
	if !ValidName(name) {
		f.wrong(at+".name", "write owner/name", "%.80q is not the name of a package", name)
	}
	for i, v := range versions {
		if !ValidVersion(v) {
			f.wrong(fmt.Sprintf("%s.versions[%d]", at, i), "write all three numbers: 1.2.0", "%.80q is not a version", v)
		}
	}
	if reason == "" {
		f.wrong(at+".reason", "say why in one line; people are shown it", "there is no reason")
	}
	f.text(at+".reason", reason)
}
