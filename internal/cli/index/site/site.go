// Package site writes an index as pages of HTML that any web server can serve, or a browser open from a disk. The pages load nothing from anywhere, the
// search of the front page is a script in it, and everything but that search works without scripts. What stands in an index was written by
// strangers: it is text until the template has escaped it.
package site

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/parallax-run/parallax/internal/market/index"
)

var (
	//go:embed site.html
	pagesText string
	//go:embed site.css
	styleText string
	//go:embed search.js
	searchText string
)

// Options say how a site is made. The zero Options will do.
type Options struct {
	Title   string // of the front page; "" is a default
	PerPage int    // packages of one page of the list of all; zero is 500
	Front   int    // packages on the front page; zero is 100
}

// Page is one file of a site.
type Page struct {
	Path string // slash-separated, below the root of the site
	HTML []byte
}

// Pages gives all files of the site of an index, one after the other, in no particular order of their paths.
func Pages(d *index.Document, o Options, yield func(Page) error) error {
	t, err := template.New("site").Funcs(template.FuncMap{"card": func(root string, p *pkg) any {
		return struct {
			Root string
			P    *pkg
		}{root, p}
	}}).Parse(pagesText)
	if err != nil {
		return err
	}
	w := &writing{t: t, yield: yield}
	s := siteOf(d, o)
	w.page("index.html", "front", s.front())
	for _, l := range s.lists() {
		w.page(l.Path, "list", l)
	}
	for i := range s.packages {
		w.page(s.packages[i].Path, "package", s.packages[i])
	}
	w.page(peoplePath, "people", s.people())
	for _, p := range s.contributors {
		w.page(p.Path, "person", p)
	}
	return w.err
}

// writing fills templates until one fails.
type writing struct {
	t     *template.Template
	yield func(Page) error
	err   error
}

// layout is what surrounds each page.
type layout struct {
	Title       string
	Description string
	Root        string // from the page to the root of the site: "", "../" or more
	Site        string // its title
	Built       moment
	Body        any
	Style       template.CSS
	Script      template.JS
	Policy      string
}

// content is a page that says what surrounds it.
type content interface {
	head() (title, description string, s *site)
}

func (w *writing) page(path, name string, body content) {
	if w.err != nil {
		return
	}
	title, description, s := body.head()
	l := layout{
		Title: title, Description: description, Root: strings.Repeat("../", strings.Count(path, "/")), Site: s.title, Built: s.built, Body: body,
		Style: template.CSS(styleText), //nolint:gosec // it is our own
	}
	policy := []string{"default-src 'none'", "style-src " + hashOf(styleText), "base-uri 'none'", "form-action 'none'"}
	if name == "front" {
		l.Script = template.JS(searchText) //nolint:gosec // it is our own
		policy = append(policy, "script-src "+hashOf(searchText))
	}
	l.Policy = strings.Join(policy, "; ")
	var b bytes.Buffer
	if w.err = w.render(&b, name, l); w.err == nil {
		w.err = w.yield(Page{path, b.Bytes()})
	}
}

func (w *writing) render(out io.Writer, name string, l layout) error {
	for _, part := range []string{"top", name, "bottom"} {
		if err := w.t.ExecuteTemplate(out, part, l); err != nil {
			return fmt.Errorf("the page %s: %w", name, err)
		}
	}
	return nil
}

// hashOf names a text in a content security policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(strings.ReplaceAll(text, "\r\n", "\n")))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
