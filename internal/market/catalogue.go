package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/market/index"
	"github.com/parallax-run/parallax/runtime"
)

// Catalogue is what the indexes of a user say. The zero Catalogue is empty.
type Catalogue struct {
	docs []listed
}

type listed struct {
	at  IndexAt
	doc *index.Document
}

// Found is a package of an index.
type Found struct {
	*index.Package
	Index string // the URL of the index
	Doc   *index.Document
}

// Packages lists what can be installed, by name. A package that two indexes have from one source is that of the first.
func (c *Catalogue) Packages() []Found {
	var all []Found
	seen := make(map[string]bool)
	for _, l := range c.docs {
		for i := range l.doc.Packages {
			p := &l.doc.Packages[i]
			if key := p.Name + " " + strings.ToLower(p.Source); !seen[key] {
				seen[key] = true
				all = append(all, Found{Package: p, Index: l.at.URL, Doc: l.doc})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Found) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Source finds a package by its source.
func (c *Catalogue) Source(source string) (Found, bool) {
	for _, l := range c.docs {
		if p, ok := l.doc.Source(source); ok {
			return Found{Package: p, Index: l.at.URL, Doc: l.doc}, true
		}
	}
	return Found{}, false
}

// Version finds what the index says of one version.
func (c *Catalogue) Version(r Ref) (index.Version, bool) {
	p, ok := c.Source(r.Source)
	if !ok {
		return index.Version{}, false
	}
	return p.Find(r.bare())
}

// IsName says whether somebody who wrote s may mean a package of an index: OWNER/NAME, and maybe a version.
func IsName(s string) bool {
	name, _, _ := strings.Cut(s, "@")
	return index.ValidName(strings.ToLower(name)) && !strings.HasSuffix(s, ".star")
}

// Named reads what a person calls a package: its source, or the name that it has in an index.
func (m *Market) Named(ctx context.Context, s string) (Ref, error) {
	if m.Index == nil || len(m.Index.At) == 0 || strings.Count(s, "/") > 1 {
		return ParseRef(s)
	}
	name, version, _ := strings.Cut(s, "@")
	if name = strings.ToLower(name); strings.Contains(s, "/") && !IsName(s) {
		return ParseRef(s)
	}
	c, err := m.Index.Fresh(ctx)
	if ctx.Err() != nil {
		return Ref{}, ctx.Err()
	}
	if source, resolved := c.source(name); resolved == nil {
		if version != "" {
			source += "@" + version
		}
		return ParseRef(source)
	} else if err == nil {
		return Ref{}, resolved
	}
	e := &Error{Code: Network, Message: err.Error(), Cause: err}
	if strings.Contains(name, "/") {
		e.Hint = fmt.Sprintf("by its source it needs no index: github.com/%s", s)
	}
	if wrong, ok := errors.AsType[*Error](err); ok {
		e.Code = wrong.Code
	}
	return Ref{}, e
}

// source finds where the package of a name is. Two indexes that mean different ones by a name are not chosen between.
func (c *Catalogue) source(name string) (string, error) {
	var sources, wheres []string
	for _, l := range c.docs {
		if p, ok := l.doc.Find(name); ok && !slices.ContainsFunc(sources, func(s string) bool { return strings.EqualFold(s, p.Source) }) {
			sources, wheres = append(sources, p.Source), append(wheres, p.Source+" in "+l.at.URL)
		}
	}
	switch len(sources) {
	case 0:
		return "", c.unknown(name)
	case 1:
		return sources[0], nil
	}
	return "", wrongf(BadName, "write which you mean: "+strings.Join(sources, " or "), "%s is %s", name, strings.Join(wheres, ", and "))
}

// unknown says that no index has a package of that name, and what may have been meant.
func (c *Catalogue) unknown(name string) error {
	var names, same []string
	for _, p := range c.Packages() {
		names = append(names, p.Name)
		if _, last, _ := strings.Cut(p.Name, "/"); last == name {
			same = append(same, p.Name)
		}
	}
	hint := "parallax search finds some; what is in no index is installed by its source: github.com/" + name
	if !strings.Contains(name, "/") {
		hint = "write OWNER/NAME; parallax search " + name + " finds some"
	}
	if near := runtime.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	if len(same) > 0 {
		hint = "did you mean " + strings.Join(same, ", or ") + "?"
	}
	return wrongf(NotFound, hint, "no index has a package %q", name)
}

// Empty says whether nothing is known of any index.
func (c *Catalogue) Empty() bool { return len(c.docs) == 0 }
