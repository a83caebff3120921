package market

import (
	"fmt"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Ref is a package, and maybe which version of it.
type Ref struct {
	Source  string // host/owner/repo
	Version string // v1.2.0; "" is the latest
}

func (r Ref) String() string {
	if r.Version == "" {
		return r.Source
	}
	return r.Source + "@" + r.Version
}

// Host is where the package is.
func (r Ref) Host() string { host, _, _ := strings.Cut(r.Source, "/"); return host }

// Repo is its owner/repo there.
func (r Ref) Repo() string { _, repo, _ := strings.Cut(r.Source, "/"); return repo }

// Name is the last part of its source.
func (r Ref) Name() string { return r.Source[strings.LastIndexByte(r.Source, '/')+1:] }

// bare is the version as file names have it, without v.
func (r Ref) bare() string { return strings.TrimPrefix(r.Version, "v") }

// IsRef says whether somebody who wrote s means a package and not a file.
func IsRef(s string) bool {
	host, rest, ok := strings.Cut(strings.TrimPrefix(s, "https://"), "/")
	return ok && strings.Contains(host, ".") && !strings.HasPrefix(host, ".") && strings.Contains(rest, "/") && !strings.HasSuffix(s, ".star")
}

// ParseRef reads github.com/owner/repo or github.com/owner/repo@v1.2.0.
func ParseRef(s string) (Ref, error) {
	source, version, at := strings.Cut(s, "@")
	if source = strings.TrimSuffix(strings.TrimPrefix(source, "https://"), "/"); !manifest.ValidSource(source) {
		hint := "write github.com/owner/repo, or github.com/owner/repo@v1.2.0"
		if strings.Count(source, "/") == 1 && manifest.ValidSource("github.com/"+source) {
			hint = fmt.Sprintf("did you mean github.com/%s?", s)
		}
		return Ref{}, wrongf(BadName, hint, "%q does not name a package", s)
	}
	r := Ref{source, version}
	switch {
	case !at || version == "latest":
		r.Version = ""
	case !manifest.ValidVersion(version):
		hint := "write all three numbers: @v1.2.0"
		if v := "v" + version; manifest.ValidVersion(v) {
			hint = "did you mean @" + v + "?"
		} else if semver.IsValid(version) && semver.Build(version) == "" {
			hint = "did you mean @" + semver.Canonical(version) + "?"
		}
		return Ref{}, wrongf(BadName, hint, "%q is not a version", version)
	}
	return r, nil
}
