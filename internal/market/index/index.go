// Package index is the list of a marketplace: which packages there are, in which versions, and what became of them.
//
// It lives as a repository of small files that people review, see Repository, and is published as one signed file, see Document. What is in
// it was written by strangers: nothing is taken over that does not have its form.
package index

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Entry is one package: packages/OWNER/NAME.json.
type Entry struct {
	Name         string        `json:"name"` // owner/name in lower case, as its source has it
	Kind         manifest.Kind `json:"kind"`
	Source       string        `json:"source"` // github.com/Owner/Name
	Description  string        `json:"description"`
	License      string        `json:"license,omitempty"` // SPDX
	Keywords     []string      `json:"keywords,omitempty"`
	Capabilities []string      `json:"capabilities,omitempty"` // of an agent
	Maintainers  []string      `json:"maintainers,omitempty"`  // names on its host
	Verified     string        `json:"verified,omitempty"`     // who signs its releases: github.com/owner; "" when nobody made sure
	Versions     []Version     `json:"versions"`               // ascending; there is at least one
}

// Version is one version of a package.
type Version struct {
	Version     string            `json:"version"`               // 1.2.0, without v
	Commit      string            `json:"commit"`                // of its tag, in hex
	Released    time.Time         `json:"released"`              //
	Parallax    string            `json:"parallax,omitempty"`    // the oldest parallax that will do, without v; "" is any
	H1          string            `json:"h1,omitempty"`          // of a pattern: h1: over its files
	Hashes      map[string]string `json:"hashes,omitempty"`      // of an agent, by platform: sha256: of its archive
	Permissions *Permissions      `json:"permissions,omitempty"` // of an agent; nil when it asks for nothing
	Identity    string            `json:"identity,omitempty"`    // that signed it, a URL; "" when nobody did
	Yanked      string            `json:"yanked,omitempty"`      // why nobody new should take it; "" when it is not yanked
}

// Removed says that a package, or versions of it, must not be installed: removed.json.
type Removed struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions,omitempty"` // none means all
	Severity Severity `json:"severity"`
	Reason   string   `json:"reason"`
}

// Severity is why something was removed.
type Severity string

// Severities. What is malware is not run either.
const (
	Malware  Severity = "malware"
	Security Severity = "security"
	Policy   Severity = "policy"
)

// Deprecated says that a package, or versions of it, should not be begun with: deprecated.json.
type Deprecated struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions,omitempty"` // none means all
	Reason   string   `json:"reason"`
	Instead  string   `json:"instead,omitempty"` // a package that does it better
}

// Stats are what the host of a package counts: stats.json.
type Stats struct {
	Stars     int64 `json:"stars,omitempty"`
	Downloads int64 `json:"downloads,omitempty"` // of files of its releases
}

// Package is an entry and what else is known of it.
type Package struct {
	Entry
	Stats    Stats `json:"stats,omitzero"`
	Featured bool  `json:"featured,omitempty"`
}

// Document is the whole index as it is published.
type Document struct {
	Built      time.Time    `json:"built"`
	Packages   []Package    `json:"packages"` // by name, in byte order, each once
	Removed    []Removed    `json:"removed,omitempty"`
	Deprecated []Deprecated `json:"deprecated,omitempty"`
}

// Compare orders two versions without v: negative where a is older than b.
func Compare(a, b string) int { return semver.Compare("v"+a, "v"+b) }

// Latest gives the newest version that is neither yanked nor a preview, else the newest preview that is not yanked.
func (e *Entry) Latest() (Version, bool) {
	var preview *Version
	for i := range slices.Backward(e.Versions) {
		v := &e.Versions[i]
		switch {
		case v.Yanked != "":
		case semver.Prerelease("v"+v.Version) == "":
			return *v, true
		case preview == nil:
			preview = v
		}
	}
	if preview == nil {
		return Version{}, false
	}
	return *preview, true
}

// Find gives a version of the package, written without v.
func (e *Entry) Find(version string) (Version, bool) {
	i := slices.IndexFunc(e.Versions, func(v Version) bool { return v.Version == version })
	if i < 0 {
		return Version{}, false
	}
	return e.Versions[i], true
}

// Vouched says whether a version was signed by whom the index names.
func (e *Entry) Vouched(v Version) bool {
	return e.Verified != "" && strings.HasPrefix(v.Identity, "https://"+e.Verified+"/")
}

// Find gives a package by its name.
func (d *Document) Find(name string) (*Package, bool) {
	i, ok := slices.BinarySearchFunc(d.Packages, name, func(p Package, name string) int { return strings.Compare(p.Name, name) })
	if !ok {
		return nil, false
	}
	return &d.Packages[i], true
}

// Source gives a package by its source, whose upper and lower case do not matter.
func (d *Document) Source(source string) (*Package, bool) {
	p, ok := d.Find(NameOf(source))
	if !ok || !strings.EqualFold(p.Source, source) {
		return nil, false
	}
	return p, true
}

// NameOf is the name that the package of a source has in an index.
func NameOf(source string) string {
	_, repo, _ := strings.Cut(source, "/")
	return strings.ToLower(repo)
}

// Removal says whether a version of a package was removed, and why. If several notes apply it is the gravest. An empty version asks for the
// package as a whole.
func (d *Document) Removal(name, version string) (Removed, bool) {
	var found Removed
	for _, r := range d.Removed {
		if r.Name == name && covers(r.Versions, version) && (found.Name == "" || gravity(r.Severity) > gravity(found.Severity)) {
			found = r
		}
	}
	return found, found.Name != ""
}

// Deprecation says whether a version of a package is deprecated, and why.
func (d *Document) Deprecation(name, version string) (Deprecated, bool) {
	for _, r := range d.Deprecated {
		if r.Name == name && covers(r.Versions, version) {
			return r, true
		}
	}
	return Deprecated{}, false
}

func covers(versions []string, version string) bool {
	return len(versions) == 0 || slices.Contains(versions, version)
}

func gravity(s Severity) int { return slices.Index([]Severity{Policy, Security, Malware}, s) }
