package manifest

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// LockName is what the lock beside a manifest is called.
const LockName = "parallax.lock"

// lockFormat is the number of the lock's format. One with another number is refused.
const lockFormat = 1

// Lock is what [dependencies] came to, exactly: parallax.lock. The zero Lock is that of a project without packages.
type Lock struct {
	Packages []Locked // by source, in byte order, each once
}

// Locked is one package as it was installed.
type Locked struct {
	Source   string
	Kind     Kind
	Version  string
	Commit   string            // of the tag, in hex; "" when nobody could say
	Hash     string            // "h1:..." over the files of a pattern; "" for an agent
	Assets   map[string]string // of an agent, by platform: "sha256:" and hex
	Identity string            // who built it: the workflow and the tag that it ran at; "" when nobody knows
	Grants   string            // digest of the permissions that were granted to an agent: "sha256:" and hex
}

// Package finds a locked package by its source.
func (l *Lock) Package(source string) (Locked, bool) {
	i, ok := slices.BinarySearchFunc(l.Packages, source, func(p Locked, s string) int { return strings.Compare(p.Source, s) })
	if !ok {
		return Locked{}, false
	}
	return l.Packages[i], true
}

var (
	commitID  = lazily(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	treeHash  = lazily(`^h1:[A-Za-z0-9+/]{43}=$`)
	assetHash = lazily(`^sha256:[0-9a-f]{64}$`)
)

// LoadLock reads the lock beside a manifest, which is absent when nothing was installed. What is wrong with its text is an *Error.
func LoadLock(dir string) (*Lock, error) {
	path := filepath.Join(dir, LockName)
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return ParseLock(path, text)
}

// ParseLock reads the text of a lock. The error is an *Error.
func ParseLock(name string, text []byte) (*Lock, error) {
	doc, err := parse(name, text)
	if err != nil {
		return nil, again(err)
	}
	top := doc.top()
	if n, ok := top.m["lock"].(int64); !ok || n != lockFormat {
		if ok && n > lockFormat {
			top.wrong("lock", "install the parallax that wrote it, or a newer one", "the lock is of format %d, and this parallax reads %d", n, lockFormat)
		} else {
			top.wrong("lock", "", "a lock begins with lock = %d", lockFormat)
		}
		return nil, again(doc.err())
	}
	for _, key := range top.sortedKeys() {
		if key != "lock" && key != "packages" {
			top.wrong(key, "known here: lock, packages", "a lock has no key %q", key)
		}
	}
	l := &Lock{}
	packages := top.table("packages")
	for _, source := range packages.sortedKeys() {
		if !ValidSource(source) {
			packages.wrong(source, "", "%q is not the source of a package", source)
			continue
		}
		l.Packages = append(l.Packages, lockedOf(packages.table(source), source))
	}
	return l, again(doc.err())
}

// again gives each problem without advice of its own the one that always helps.
func again(err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // made here
		for i, p := range e.Problems {
			if p.Hint == "" {
				e.Problems[i].Hint = "the file is written by parallax: take the committed one back, or remove it and run parallax install"
			}
		}
	}
	return err
}

func lockedOf(t *table, source string) Locked {
	t.only("kind", "version", "commit", "hash", "assets", "identity", "grants")
	p := Locked{
		Source: source, Kind: Kind(t.text("kind")), Version: t.text("version"), Commit: t.matching("commit", commitID()), Hash: t.matching("hash", treeHash()),
		Grants: t.matching("grants", assetHash()), Identity: t.text("identity"),
	}
	if !ValidVersion(p.Version) {
		t.wrong("version", "", "version is %q, want one such as v1.2.0", p.Version)
	}
	assets := t.table("assets")
	for _, platform := range assets.sortedKeys() {
		if !platformOf().MatchString(platform) {
			assets.wrong(platform, "", "%q is not os/arch", platform)
			continue
		}
		if p.Assets == nil {
			p.Assets = make(map[string]string)
		}
		p.Assets[platform] = assets.matching(platform, assetHash())
	}
	switch {
	case p.Kind == KindPattern && p.Hash == "":
		t.wrong("hash", "", "%s has no hash", source)
	case p.Kind == KindAgent && len(p.Assets) == 0:
		t.wrong("assets", "", "%s has no assets", source)
	case p.Kind != KindPattern && p.Kind != KindAgent:
		t.wrong("kind", "", "kind is %q, want pattern or agent", p.Kind)
	}
	return p
}

// matching gives a string of a certain form, "" when it is not there.
func (t *table) matching(key string, form *regexp.Regexp) string {
	s := t.text(key)
	if s != "" && !form.MatchString(s) {
		t.wrong(key, "", "%s is %q, which it cannot be", key, s)
	}
	return s
}

// Text is the lock as it is written: a table for each package, sorted, a line for each fact, so that changes merge well.
func (l *Lock) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by parallax: what [dependencies] came to. Commit it, and leave it to parallax.\nlock = %d\n", lockFormat)
	for _, p := range slices.SortedFunc(slices.Values(l.Packages), func(a, b Locked) int { return strings.Compare(a.Source, b.Source) }) {
		fmt.Fprintf(&b, "\n[packages.%q]\n", p.Source)
		for _, line := range [][2]string{
			{"kind", string(p.Kind)}, {"version", p.Version}, {"commit", p.Commit}, {"hash", p.Hash}, {"identity", p.Identity}, {"grants", p.Grants},
		} {
			if line[1] != "" {
				fmt.Fprintf(&b, "%s = %q\n", line[0], line[1])
			}
		}
		if len(p.Assets) > 0 {
			fmt.Fprintf(&b, "\n[packages.%q.assets]\n", p.Source)
		}
		for _, platform := range slices.Sorted(maps.Keys(p.Assets)) {
			fmt.Fprintf(&b, "%q = %q\n", platform, p.Assets[platform])
		}
	}
	return []byte(b.String())
}
