package site

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/market"
	"github.com/parallax-run/parallax/internal/market/index"
)

// front is the first page.
type front struct {
	site     *site
	Count    string
	Packages []*pkg
	More     bool // there are others
	Data     []datum
}

// datum is a package as the search of the front page knows it.
type datum struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`
	Description string   `json:"description"`
	Words       []string `json:"words"`
	Path        string   `json:"path"`
	Marks       []string `json:"marks"`
	Version     string   `json:"version"`
	Stars       string   `json:"stars"`
	Downloads   string   `json:"downloads"`
}

func (f *front) head() (title, description string, s *site) {
	return f.site.title, "Patterns and agents that others published.", f.site
}

func (s *site) front() *front {
	f := &front{site: s, Count: plural(len(s.ranked), "package"), Packages: s.ranked[:min(len(s.ranked), s.options.Front)], More: len(s.ranked) > s.options.Front, Data: []datum{}}
	for _, p := range s.ranked {
		d := datum{
			Name: p.Name, Kind: p.Kind, Description: p.Description, Words: append(append([]string{}, p.Keywords...), p.Capabilities...), Path: p.Path,
			Marks: []string{}, Stars: p.Stars, Downloads: p.Downloads,
		}
		for _, m := range p.Marks {
			d.Marks = append(d.Marks, m.Kind)
		}
		if p.Latest != nil {
			d.Version = p.Latest.Number
		}
		f.Data = append(f.Data, d)
	}
	return f
}

// list is a page of the list of all packages.
type list struct {
	site       *site
	Path       string
	Number, Of int
	Packages   []*pkg
	Pages      []link // the others, and this one without a path
}

func (l *list) head() (title, description string, s *site) {
	return "All packages – " + l.site.title, "All packages by name.", l.site
}

func (s *site) lists() []*list {
	at := func(n int) string {
		if n == 0 {
			return "packages/index.html"
		}
		return fmt.Sprintf("packages/%d.html", n+1)
	}
	var lists []*list
	for part := range slices.Chunk(s.packages, s.options.PerPage) {
		lists = append(lists, &list{site: s, Path: at(len(lists)), Number: len(lists) + 1, Packages: part})
	}
	if len(lists) == 0 {
		lists = append(lists, &list{site: s, Path: at(0), Number: 1})
	}
	for i, l := range lists {
		l.Of = len(lists)
		for n := range lists {
			page := link{Text: fmt.Sprint(n + 1), Path: at(n)}
			if n == i {
				page.Path = ""
			}
			l.Pages = append(l.Pages, page)
		}
	}
	return lists
}

// person is the page of somebody who publishes packages.
type person struct {
	site *site

	Name, Host string
	Path, URL  string
	Packages   []*pkg // by rank, what was removed last
	Count      string
	Stars      string // of all packages together
	Downloads  string

	stars, downloads int64
	present          int // packages that were not removed
}

func (p *person) head() (title, description string, s *site) {
	return p.Name + " – " + p.site.title, "What " + p.Name + " publishes.", p.site
}

// persons finds who maintains packages, and ties them to these.
func (s *site) persons() []*person {
	byPath := make(map[string]*person)
	for i, p := range s.packages {
		entry := &s.doc.Packages[i]
		for _, name := range entry.Maintainers {
			who := s.person(byPath, market.Ref{Source: entry.Source}.Host(), name)
			who.add(p, entry)
			p.Maintainers = append(p.Maintainers, who)
		}
	}
	all := slices.SortedFunc(maps.Values(byPath), func(a, b *person) int {
		return cmp.Or(cmp.Compare(b.present, a.present), cmp.Compare(b.stars, a.stars), cmp.Compare(b.downloads, a.downloads), cmp.Compare(a.Path, b.Path))
	})
	for _, who := range all {
		slices.SortStableFunc(who.Packages, func(a, b *pkg) int {
			switch {
			case a.Removed == nil && b.Removed != nil:
				return -1
			case a.Removed != nil && b.Removed == nil:
				return 1
			}
			return cmp.Compare(b.rank, a.rank)
		})
		who.Count, who.Stars, who.Downloads = plural(who.present, "package"), number(who.stars), number(who.downloads)
	}
	return all
}

func (s *site) person(byPath map[string]*person, host, name string) *person {
	path := "people/" + host + "/" + strings.ToLower(name) + ".html"
	if byPath[path] == nil {
		byPath[path] = &person{site: s, Name: name, Host: host, Path: path, URL: "https://" + host + "/" + name}
	}
	return byPath[path]
}

func (p *person) add(made *pkg, entry *index.Package) {
	p.Packages = append(p.Packages, made)
	if made.Removed != nil {
		return
	}
	p.present++
	p.stars += entry.Stats.Stars
	p.downloads += entry.Stats.Downloads
}

// people is the page of all who publish packages.
type people struct {
	site   *site
	People []*person
}

func (p *people) head() (title, description string, s *site) {
	return "Contributors – " + p.site.title, "Who publishes packages.", p.site
}

func (s *site) people() *people {
	p := &people{site: s}
	for _, who := range s.contributors {
		if who.present > 0 {
			p.People = append(p.People, who)
		}
	}
	return p
}
