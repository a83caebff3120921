package market

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/market/index"
)

// NoteKind is what became of a package after it was published.
type NoteKind string

// The kinds of notes. The first three say that it was removed, and why.
const (
	NoteMalware    = NoteKind(index.Malware)
	NoteSecurity   = NoteKind(index.Security)
	NotePolicy     = NoteKind(index.Policy)
	NoteYanked     = NoteKind("yanked")
	NoteDeprecated = NoteKind("deprecated")
)

// Removed says whether the index does not have it any more.
func (k NoteKind) Removed() bool {
	return k == NoteMalware || k == NoteSecurity || k == NotePolicy
}

// Note is what became of versions of a package. Notes stand in a small file beside a kept index, so that a run need not read all of that.
type Note struct {
	Source   string   `json:"source"`             // github.com/owner/name, in lower case
	Versions []string `json:"versions,omitempty"` // with v; none means all
	Kind     NoteKind `json:"kind"`
	Reason   string   `json:"reason,omitempty"`
	Instead  string   `json:"instead,omitempty"` // a package that takes its place
}

// about says whether a note concerns a version.
func (n Note) about(r Ref) bool {
	return n.Source == strings.ToLower(r.Source) && (len(n.Versions) == 0 || slices.Contains(n.Versions, r.Version))
}

// String tells what a note says.
func (n Note) String() string {
	text := map[NoteKind]string{
		NoteMalware: "was removed from the index: it is malware", NoteSecurity: "was removed from the index: it is not safe", NotePolicy: "was removed from the index",
		NoteYanked: "was taken back by its author", NoteDeprecated: "is deprecated",
	}[n.Kind]
	if n.Reason != "" {
		text += " (" + n.Reason + ")"
	}
	if n.Instead != "" {
		text += "; " + n.Instead + " takes its place"
	}
	return text
}

// notesOf gathers what a document says about packages that somebody may have.
func notesOf(d *index.Document) []Note {
	notes := []Note{}
	source := func(name string) string {
		if p, ok := d.Find(name); ok {
			return strings.ToLower(p.Source)
		}
		return "github.com/" + name // it is not listed any more
	}
	for _, r := range d.Removed {
		notes = append(notes, Note{source(r.Name), tagged(r.Versions), NoteKind(r.Severity), r.Reason, ""})
	}
	for _, r := range d.Deprecated {
		notes = append(notes, Note{source(r.Name), tagged(r.Versions), NoteDeprecated, r.Reason, r.Instead})
	}
	for i := range d.Packages {
		p := &d.Packages[i]
		for _, v := range p.Versions {
			if v.Yanked != "" {
				notes = append(notes, Note{strings.ToLower(p.Source), tagged([]string{v.Version}), NoteYanked, v.Yanked, ""})
			}
		}
	}
	return notes
}

// tagged gives versions their v.
func tagged(versions []string) []string {
	var list []string
	for _, v := range versions {
		list = append(list, "v"+v)
	}
	return list
}

// Notes gives what the kept indexes say about a version, the gravest first. It asks nobody.
func (x *Indexes) Notes(r Ref) []Note {
	if x == nil {
		return nil
	}
	if !x.read {
		x.read, x.notes = true, nil
		for _, at := range x.At {
			var notes []Note
			if text, err := os.ReadFile(x.file(at, "notes.json")); err == nil && json.Unmarshal(text, &notes) == nil {
				x.notes = append(x.notes, notes...)
			}
		}
	}
	var found []Note
	for _, n := range x.notes {
		if n.about(r) {
			found = append(found, n)
		}
	}
	order := []NoteKind{NoteMalware, NoteSecurity, NotePolicy, NoteYanked, NoteDeprecated}
	slices.SortStableFunc(found, func(a, b Note) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return found
}

// use is what somebody wants with a version.
type use struct {
	fetch bool // it is not here yet
	begin bool // the project did not use it before, and its own manifest asks for it
}

// judge says whether a version may be used so, by what became of it since it was published. What is no reason to stop is said.
func (m *Market) judge(r Ref, u use) error {
	for _, n := range m.Index.Notes(r) {
		switch {
		case n.Kind == NoteMalware, n.Kind.Removed() && u.fetch:
			return withdrawn(r, n)
		case n.Kind == NoteYanked && u.begin:
			return wrongf(Withdrawn, "take another version: parallax info "+r.Source+" lists them", "%s %s", r, n)
		case n.Kind == NoteDeprecated && !u.begin:
		default:
			m.remark(fmt.Sprintf("%s %s", r, n))
		}
	}
	return nil
}

// withdrawn refuses what the index removed.
func withdrawn(r Ref, n Note) *Error {
	hint := "take another one: parallax search finds what does the same"
	if len(n.Versions) > 0 {
		hint = "take another version: parallax info " + r.Source + " lists them"
	}
	return wrongf(Withdrawn, hint, "%s %s", r, n)
}

// remark says a line once.
func (m *Market) remark(line string) {
	if !slices.Contains(m.remarks, line) {
		m.remarks = append(m.remarks, line)
		m.say(line)
	}
}

// known asks the indexes, as is done before anything is fetched. That one cannot be had is said, and no reason to stop: what is installed by its source
// needs none.
func (m *Market) known(ctx context.Context) (*Catalogue, error) {
	if m.Index == nil || len(m.Index.At) == 0 {
		return &Catalogue{}, nil
	}
	c, err := m.Index.Fresh(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		m.remark(fmt.Sprintf("%s; going on without it", strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return c, nil
}
