package index

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Files of an index beside its entries.
const (
	EntriesDir     = "packages"
	RemovedName    = "removed.json"
	DeprecatedName = "deprecated.json"
	FeaturedName   = "featured.json"
	StatsName      = "stats.json"
	KeyName        = "key.pub"
)

// Repository is an index as it is kept in git, changed by reviewed pull requests.
type Repository struct {
	Entries    []Entry // by name, in byte order, each once
	Removed    []Removed
	Deprecated []Deprecated
	Featured   []string
	Stats      map[string]Stats // by name
	Findings   []Finding        // by file, in byte order, then in the order of the file

	lines map[string]map[string]int // of files that were read, see findings.lines
}

// Read reads an index. What is wrong with its files is in Findings; the error is about reading at all. Links are not followed.
func Read(fsys fs.FS) (*Repository, error) {
	r := &reading{fsys: fsys, found: &findings{}, named: make(map[string]bool)}
	r.lines = make(map[string]map[string]int)
	if err := r.entries(); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		v    any
	}{{RemovedName, &r.Removed}, {DeprecatedName, &r.Deprecated}, {FeaturedName, &r.Featured}, {StatsName, &r.Stats}} {
		if err := r.beside(f.name, f.v); err != nil {
			return nil, err
		}
	}
	r.references()
	slices.SortStableFunc(r.found.list, func(a, b Finding) int { return strings.Compare(a.File, b.File) })
	r.Findings = r.found.list
	return &r.Repository, nil
}

// reading is a Repository on its way.
type reading struct {
	Repository
	fsys  fs.FS
	found *findings
	named map[string]bool // packages that have a file, if it can be read or not
}

// about turns to a file.
func (r *reading) about(file string) *findings {
	r.found.file, r.found.lines = file, r.lines[file]
	return r.found
}

// entries reads everything below packages.
func (r *reading) entries() error {
	return fs.WalkDir(r.fsys, EntriesDir, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && file == EntriesDir {
			r.about(file).wrong("", "entries are files packages/OWNER/NAME.json", "there is no folder %s", EntriesDir)
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		return r.entry(file, d)
	})
}

func (r *reading) entry(file string, d fs.DirEntry) error {
	f := r.about(file)
	dir, base := path.Split(strings.TrimPrefix(file, EntriesDir+"/"))
	name, isJSON := strings.CutSuffix(dir+base, ".json")
	if !isJSON || !ValidName(name) {
		f.wrong("", "entries are files packages/OWNER/NAME.json, in lower case", "the file does not belong here")
		return nil
	}
	e := Entry{}
	r.named[name] = true
	ok, err := r.file(file, d, &e, MaxEntry)
	if !ok || err != nil {
		return err
	}
	if e.check(r.found); e.Name != name {
		f.wrong("name", "the entry of "+e.Name+" is "+Path(e.Name), "the file names the package %q", e.Name)
		return nil
	}
	r.Entries = append(r.Entries, e)
	return nil
}

// file reads one file into v and says whether that can be used.
func (r *reading) file(file string, d fs.DirEntry, v any, most int64) (bool, error) {
	f := r.about(file)
	if !d.Type().IsRegular() {
		f.wrong("", "replace it by a file", "it is not a regular file")
		return false, nil
	}
	text, err := r.text(file, most)
	if err != nil {
		return false, err
	}
	ok := f.decode(text, v, most)
	r.lines[file] = f.lines
	return ok, nil
}

// text reads a file, and of one that is too large no more than shows that.
func (r *reading) text(file string, most int64) ([]byte, error) {
	f, err := r.fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

// beside reads a file that need not be there.
func (r *reading) beside(name string, v any) error {
	info, err := fs.Lstat(r.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ok, err := r.file(name, fs.FileInfoToDirEntry(info), v, maxNotes)
	if !ok || err != nil {
		return err
	}
	switch name {
	case RemovedName:
		notes(r.found, r.Removed, nil)
	case DeprecatedName:
		notes(r.found, nil, r.Deprecated)
	}
	return nil
}

// Entry gives the entry of a package.
func (r *Repository) Entry(name string) (*Entry, bool) {
	i, ok := slices.BinarySearchFunc(r.Entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return nil, false
	}
	return &r.Entries[i], true
}

// references finds what names packages that are not there.
func (r *reading) references() {
	slices.SortFunc(r.Entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	const hint = "it has no entry; check its name"
	f := r.about(RemovedName)
	for i, n := range r.Removed {
		r.versions(f, index(i), n.Name, n.Versions)
	}
	f = r.about(DeprecatedName)
	for i, n := range r.Deprecated {
		r.versions(f, index(i), n.Name, n.Versions)
		if n.Instead != "" && !r.named[n.Instead] {
			f.wrong(index(i)+".instead", hint, "there is no package %.80q", n.Instead)
		}
	}
	f = r.about(FeaturedName)
	for i, name := range r.Featured {
		if !r.named[name] {
			f.wrong(index(i), hint, "there is no package %.80q", name)
		}
		if slices.Contains(r.Featured[:i], name) {
			f.wrong(index(i), "keep one of them", "%q is there twice", name)
		}
	}
	f = r.about(StatsName)
	for _, name := range slices.Sorted(maps.Keys(r.Stats)) {
		if !r.named[name] {
			f.remark(name, "parallax index stats leaves it out the next time", "there is no package %.80q", name)
		}
		if s := r.Stats[name]; s.Stars < 0 || s.Downloads < 0 {
			f.wrong(name, "", "%s has counts below zero", name)
		}
	}
}

// versions notes a package, or versions of it, that a note names and that is not there.
func (r *reading) versions(f *findings, at, name string, versions []string) {
	if !r.named[name] {
		f.wrong(at+".name", "keep the entry of a package that was removed, so that people are told", "there is no package %.80q", name)
		return
	}
	e, ok := r.Entry(name)
	if !ok {
		return
	}
	for i, v := range versions {
		if _, ok := e.Find(v); !ok {
			f.wrong(at+".versions"+index(i), "check it against "+Path(name), "%s has no version %.80q", name, v)
		}
	}
}

func index(i int) string { return fmt.Sprintf("[%d]", i) }
