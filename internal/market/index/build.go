package index

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"
)

// kept is how much of a list, in percent, must be left of the previous build.
const kept = 95

// Build makes the document of an index. previous is the one that was published last, nil for the first. With shrink it may have less than that.
// Its error is Problems or an *Error where the index is to blame.
func Build(fsys fs.FS, previous *Document, now time.Time, shrink bool) (*Document, error) {
	r, err := Read(fsys)
	if err != nil {
		return nil, err
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	d := r.document(now)
	if previous == nil {
		return d, nil
	}
	if previous.Built.After(d.Built) {
		return nil, wrongf(Older, "check the clock of this machine", "the previous index was built on %s, and now it is %s", previous.Built.Format(time.RFC3339), d.Built.Format(time.RFC3339))
	}
	if wrong := r.rewritten(previous); len(wrong) > 0 {
		return nil, wrong
	}
	if shrink {
		return d, nil
	}
	return d, shrank(previous, d)
}

func (r *Repository) document(now time.Time) *Document {
	d := &Document{Built: now.UTC().Truncate(time.Second), Packages: make([]Package, len(r.Entries)), Removed: r.Removed, Deprecated: r.Deprecated}
	for i, e := range r.Entries {
		d.Packages[i] = Package{Entry: e, Stats: r.Stats[e.Name], Featured: slices.Contains(r.Featured, e.Name)}
	}
	return d
}

// shrank says what the new index has much less of.
func shrank(old, d *Document) error {
	const hint = "if that is meant, build with --shrink"
	for _, l := range []struct {
		what     string
		was, now int
		least    int // percent
	}{
		{"packages", len(old.Packages), len(d.Packages), kept},
		{"packages with stars or downloads", counted(old), counted(d), kept},
		{"deprecations", len(old.Deprecated), len(d.Deprecated), kept},
		{"removals", len(old.Removed), len(d.Removed), 100},
	} {
		if l.now*100 < l.was*l.least {
			return wrongf(Shrank, hint, "the index shrank: it has %d %s and had %d", l.now, l.what, l.was)
		}
	}
	for i := range old.Packages {
		was := &old.Packages[i]
		p, ok := d.Find(was.Name)
		if !ok {
			continue
		}
		for _, v := range was.Versions {
			if _, ok := p.Find(v.Version); !ok {
				return wrongf(Shrank, hint+"; to take a version back, give it a reason in yanked", "%s lost its version %s", was.Name, v.Version)
			}
		}
	}
	return nil
}

func counted(d *Document) int {
	n := 0
	for i := range d.Packages {
		if d.Packages[i].Stats != (Stats{}) {
			n++
		}
	}
	return n
}

// rewritten finds versions that are not what they were: people have them in their locks.
func (r *Repository) rewritten(old *Document) Problems {
	var f findings
	for i := range r.Entries {
		e := &r.Entries[i]
		if was, ok := old.Find(e.Name); ok {
			f.file, f.lines = Path(e.Name), r.lines[Path(e.Name)]
			e.rewritten(&f, &was.Entry)
		}
	}
	return Problems(f.list)
}

func (e *Entry) rewritten(f *findings, was *Entry) {
	const hint = "take it back; what was published stays as it was: release a new version, and yank this one"
	for i, v := range e.Versions {
		old, ok := was.Find(v.Version)
		if !ok {
			continue
		}
		at := fmt.Sprintf("versions[%d]", i)
		if v.Commit != old.Commit {
			f.wrong(at+".commit", hint, "the commit of version %s was changed; it was %s", v.Version, old.Commit)
		}
		if !v.Permissions.Equal(old.Permissions) {
			f.wrong(at+".permissions", hint, "the permissions of version %s were changed", v.Version)
		}
		if v.Identity != old.Identity && old.Identity != "" {
			f.wrong(at+".identity", hint, "who signed version %s was changed; it was %s", v.Version, old.Identity)
		}
		if v.H1 != old.H1 {
			f.wrong(at+".h1", hint, "the hash of version %s was changed; it was %s", v.Version, old.H1)
		}
		for _, platform := range slices.Sorted(maps.Keys(old.Hashes)) {
			if v.Hashes[platform] != old.Hashes[platform] {
				f.wrong(at+".hashes", hint, "the hash of version %s for %s was changed; it was %s", v.Version, platform, old.Hashes[platform])
			}
		}
	}
}

// Err gives the findings by which an index cannot be built, as Problems; nil when there are none.
func (r *Repository) Err() error {
	if wrong := errorsIn(r.Findings); len(wrong) > 0 {
		return Problems(wrong)
	}
	return nil
}

// ShrunkStats says whether new stats have much less than old ones. Its error is an *Error.
func ShrunkStats(old, stats map[string]Stats) error {
	if len(stats)*100 < len(old)*kept {
		return wrongf(Shrank, "if that is meant, say --shrink", "%s shrank: it has %d packages and had %d", StatsName, len(stats), len(old))
	}
	return nil
}
