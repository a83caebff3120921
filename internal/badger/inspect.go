package badger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// inspection is a look at a whole file before anything of it is kept. It decodes all that the store will ever decode of it.
type inspection struct {
	file    *os.File
	texts   map[string]place // by digest
	blobs   *blobs           // of the file
	last    string           // run of the last record
	records map[string]bool
	facts   map[string][]runtime.Fact // without what they say
}

// Bounds of what a file may hold. A short file can refer to one long text many times.
const (
	maxUnfolded = 4 * runtime.MaxValueBytes // of what is asked and answered in one fact together: a value has at most a quarter of that
	maxPath     = maxID                     // of an address
)

// place is where a text is in the file.
type place struct{ from, size int64 }

// inspect checks a file and says which run it is.
func inspect(f *os.File) (id string, err error) {
	in := &inspection{file: f, texts: make(map[string]place), records: make(map[string]bool), facts: make(map[string][]runtime.Fact)}
	in.blobs = &blobs{from: in.text, long: in.size, most: maxUnfolded}
	if err := each1(f, in.index); err != nil {
		return "", err
	}
	id = in.last
	if id == "" || rootOf(id) != id {
		return "", errFile("it has no record of a run")
	}
	err = each1(f, func(fr frame) error {
		switch {
		case fr.kind == frameBlob:
			return nil
		case rootOf(fr.run) != id:
			return errFile("it has parts of %s and of %s", id, fr.run)
		case fr.kind == frameRecord:
			return in.record(fr)
		}
		return eachInBatch(fr.value, func(value []byte) error { return in.fact(fr.run, value) })
	})
	for run, facts := range in.facts {
		if bad := runtime.CheckFacts(facts); err == nil && bad != nil {
			err = fmt.Errorf("%s: %w", run, bad)
		}
	}
	if err != nil && !errors.Is(err, ErrFile) {
		err = fmt.Errorf("%w: %w", ErrFile, err)
	}
	return id, err
}

// index notes where texts are, and which runs have records.
func (in *inspection) index(fr frame) error {
	switch fr.kind {
	case frameBlob:
		sum := sha256.Sum256(fr.value)
		size := int64(len(fr.value))
		in.texts[hex.EncodeToString(sum[:])] = place{fr.end - size, size}
	case frameRecord:
		if in.records[fr.run] {
			return errFile("it has two records of %s", fr.run)
		}
		in.records[fr.run] = true
		in.last = fr.run
	}
	return nil
}

// size says how long a text of the file is.
func (in *inspection) size(digest string) (int64, error) {
	at, ok := in.texts[digest]
	if !ok {
		return 0, fmt.Errorf("it lacks the text %s", digest)
	}
	return at.size, nil
}

// text reads a text of the file.
func (in *inspection) text(digest string) ([]byte, error) {
	if _, err := in.size(digest); err != nil {
		return nil, err
	}
	at := in.texts[digest]
	text := make([]byte, at.size)
	_, err := in.file.ReadAt(text, at.from)
	return text, err
}

func (in *inspection) record(fr frame) error {
	r, err := decodeRecord(fr.value, in.blobs, false)
	if err != nil {
		return err
	}
	child := r.Parent != "" && strings.HasPrefix(r.ID, r.Parent+"/")
	switch {
	case r.ID != fr.run:
		return fmt.Errorf("the record of %s is that of %q", fr.run, r.ID)
	case rootOf(r.ID) == r.ID && r.Parent != "", rootOf(r.ID) != r.ID && !child:
		return fmt.Errorf("the record of %s says that %q is its parent", r.ID, r.Parent)
	}
	for name, digest := range r.Sources {
		if _, ok := in.texts[digest]; !ok {
			return fmt.Errorf("it lacks the text of %s (%q)", name, digest)
		}
	}
	return nil
}

// fact checks one fact, and remembers what there is to be checked of all facts of the run.
func (in *inspection) fact(run string, value []byte) error {
	f, err := in.blobs.decodeFact(value)
	if err != nil {
		return err
	}
	var asked struct{ Branches int }
	_ = json.Unmarshal(f.Request, &asked) // what is no object asks for no branches
	if n := runtime.BranchesOf(f.Request); asked.Branches != n {
		return fmt.Errorf("the fork at %s has %d branches, or %d", f.Addr, asked.Branches, n)
	}
	if len(f.Addr.Path) > maxPath {
		return fmt.Errorf("it has an address of %d letters, which is longer than any run has", len(f.Addr.Path))
	}
	if asked.Branches > 0 && f.Kind == runtime.Begun {
		if err := runtime.CheckFacts([]runtime.Fact{f}); err != nil {
			return err
		}
	}
	in.facts[run] = append(in.facts[run], brief(&f, asked.Branches))
	return nil
}

// brief is what has to be known of a fact to check it against others. That its fork is the one of its fingerprint is known already.
func brief(f *runtime.Fact, branches int) runtime.Fact {
	b := runtime.Fact{Addr: f.Addr, Kind: f.Kind, Seq: f.Seq, Index: f.Index}
	b.Kept = slices.Clone(f.Kept[max(0, len(f.Kept)-2):])
	if branches > 0 {
		b.Request = runtime.ForkRequest("", branches)
		b.Print = runtime.PrintOf(b.Request)
	}
	return b
}
