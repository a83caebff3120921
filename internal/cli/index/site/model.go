package site

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/market/index"
)

// site is what all pages are made from.
type site struct {
	title        string
	built        moment
	doc          *index.Document
	packages     []*pkg    // by name
	ranked       []*pkg    // the best first, without what was removed
	contributors []*person // who publishes most first
	options      Options
}

const (
	defaultTitle   = "Parallax packages"
	defaultPerPage = 500
	defaultFront   = 100
	peoplePath     = "people/index.html"
)

func siteOf(d *index.Document, o Options) *site {
	o.PerPage, o.Front = cmp.Or(o.PerPage, defaultPerPage), cmp.Or(o.Front, defaultFront)
	s := &site{title: cmp.Or(o.Title, defaultTitle), built: momentOf(d.Built), doc: d, options: o}
	for i := range d.Packages {
		s.packages = append(s.packages, s.pkg(&d.Packages[i]))
	}
	for _, p := range s.packages {
		if p.Removed == nil {
			s.ranked = append(s.ranked, p)
		}
	}
	slices.SortStableFunc(s.ranked, func(a, b *pkg) int { return cmp.Compare(b.rank, a.rank) })
	s.contributors = s.persons()
	return s
}

// pkg is the page of a package, and its line in lists.
type pkg struct {
	site *site
	rank float64

	Name, Kind, Description string
	Path                    string
	Source                  string // as parallax add takes it
	URL                     string
	License                 string
	Keywords, Capabilities  []string
	Maintainers             []*person
	Marks                   []mark
	Stars, Downloads        string
	Versions                []version // newest first
	Latest                  *version  // nil when there is none to begin with
	Removed                 *notice   // as a whole
	Deprecated              *notice   // as a whole
	Alias                   string    // as which an agent is named, "" where add asks for one
	Pinned                  string    // "@v1.2.0" where the newest of all is not to be taken
}

// mark is a short word about a package or a version.
type mark struct {
	Kind string // verified, featured, deprecated, removed, yanked
	Why  string
}

// notice is why something is not to be used.
type notice struct {
	Severity string
	Reason   string
	Instead  *link
}

type link struct{ Text, Path string }

type version struct {
	Number      string
	Released    moment
	Needs       string
	Identity    string
	Signed      bool // by whom the index names
	Marks       []mark
	Permissions []grant
	Commit, H1  string
	Hashes      []grant
}

// grant is a kind of thing and which of it.
type grant struct{ What, Which string }

func (p *pkg) head() (title, description string, s *site) {
	return p.Name + " – " + p.site.title, p.Description, p.site
}

func pathOf(name string) string { return "packages/" + name + ".html" }

func (s *site) pkg(p *index.Package) *pkg {
	v := &pkg{
		site: s, Name: p.Name, Kind: string(p.Kind), Description: p.Description, Path: pathOf(p.Name), Source: p.Source, URL: "https://" + p.Source,
		License: p.License, Keywords: p.Keywords, Capabilities: p.Capabilities, Stars: number(p.Stats.Stars), Downloads: number(p.Stats.Downloads),
	}
	if _, last, _ := strings.Cut(p.Name, "/"); manifest.ValidAlias(last) {
		v.Alias = last
	}
	if r, ok := s.doc.Removal(p.Name, ""); ok {
		v.Removed = &notice{Severity: string(r.Severity), Reason: r.Reason}
	}
	if d, ok := s.doc.Deprecation(p.Name, ""); ok {
		v.Deprecated = &notice{Reason: d.Reason, Instead: s.link(d.Instead)}
	}
	for _, at := range slices.Backward(p.Versions) {
		v.Versions = append(v.Versions, s.version(p, at))
	}
	if v.Latest = v.latest(); v.Latest != nil && v.Latest != v.newest() {
		v.Pinned = "@v" + v.Latest.Number
	}
	v.marks(p)
	v.rank = rank(v, p)
	return v
}

// link leads to a package, if it is there.
func (s *site) link(name string) *link {
	if _, ok := s.doc.Find(name); !ok {
		return nil
	}
	return &link{name, pathOf(name)}
}

// latest is the newest version that nothing speaks against, a preview only where there is nothing else.
func (p *pkg) latest() *version {
	if p.Removed != nil {
		return nil
	}
	var preview *version
	for i := range p.Versions {
		v := &p.Versions[i]
		switch {
		case slices.ContainsFunc(v.Marks, func(m mark) bool { return m.Kind == "yanked" || m.Kind == "removed" }):
		case semver.Prerelease("v"+v.Number) == "":
			return v
		case preview == nil:
			preview = v
		}
	}
	return preview
}

// newest is the version that who names none is given.
func (p *pkg) newest() *version {
	for i := range p.Versions {
		if semver.Prerelease("v"+p.Versions[i].Number) == "" {
			return &p.Versions[i]
		}
	}
	return &p.Versions[0]
}

func (p *pkg) marks(from *index.Package) {
	add := func(ok bool, kind, why string) {
		if ok {
			p.Marks = append(p.Marks, mark{kind, why})
		}
	}
	add(p.Latest != nil && p.Latest.Signed, "verified", "its files were built and signed by "+from.Verified)
	add(from.Featured, "featured", "")
	add(p.Deprecated != nil, "deprecated", "")
	add(p.Removed != nil, "removed", "")
}

// rank orders packages where nobody asked for anything.
func rank(p *pkg, from *index.Package) float64 {
	r := math.Log1p(float64(from.Stats.Downloads)) + 2*math.Log1p(float64(from.Stats.Stars))
	for _, m := range p.Marks {
		switch m.Kind {
		case "verified":
			r += 3
		case "featured":
			r += 100
		case "deprecated":
			r -= 200
		}
	}
	return r
}

func (s *site) version(p *index.Package, v index.Version) version {
	n := version{
		Number: v.Version, Released: momentOf(v.Released), Needs: v.Parallax, Identity: v.Identity, Signed: p.Vouched(v), Commit: v.Commit, H1: v.H1,
		Permissions: grants(v.Permissions),
	}
	for _, on := range slices.Sorted(maps.Keys(v.Hashes)) {
		n.Hashes = append(n.Hashes, grant{on, v.Hashes[on]})
	}
	if v.Yanked != "" {
		n.Marks = append(n.Marks, mark{"yanked", v.Yanked})
	}
	if r, ok := s.doc.Removal(p.Name, v.Version); ok {
		n.Marks = append(n.Marks, mark{"removed", string(r.Severity) + ": " + r.Reason})
	}
	if d, ok := s.doc.Deprecation(p.Name, v.Version); ok && len(d.Versions) > 0 {
		n.Marks = append(n.Marks, mark{"deprecated", d.Reason})
	}
	return n
}

// grants says what an agent asks for, in words.
func grants(p *index.Permissions) []grant {
	if p.Empty() {
		return nil
	}
	var all []grant
	for _, l := range []struct {
		what  string
		items []string
	}{
		{"network", p.Net}, {"secrets", p.Secrets}, {"read files", p.Read}, {"write files", p.Write}, {"programs", p.Exec}, {"memory", one(p.Memory)}, {"least sandbox", one(p.Sandbox)},
	} {
		if len(l.items) > 0 {
			all = append(all, grant{l.what, strings.Join(l.items, ", ")})
		}
	}
	return all
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// moment is a time on a page.
type moment struct{ Machine, People string }

func momentOf(t time.Time) moment {
	t = t.UTC()
	return moment{t.Format(time.RFC3339), t.Format("2 January 2006")}
}

// number groups digits by thousands; nothing is "".
func number(n int64) string {
	if n == 0 {
		return ""
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
