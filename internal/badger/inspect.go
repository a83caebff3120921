package badger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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

// place is where a text is in the file.
type place struct{ from, size int64 }

// inspect checks a file and says which run it is.
func inspect(f *os.File) (id string, err error) {
	in := &inspection{file: f, texts: make(map[string]place), records: make(map[string]bool), facts: make(map[string][]runtime.Fact)}
	in.blobs = &blobs{from: in.text}
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

// text reads a text of the file.
func (in *inspection) text(digest string) ([]byte, error) {
	at, ok := in.texts[digest]
	if !ok {
		return nil, fmt.Errorf("it lacks the text %s", digest)
	}
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
	f.Outcome, f.Err = nil, nil
	if asked.Branches == 0 {
		f.Request = nil
	}
	f.Request = append(runtime.Payload(nil), f.Request...)
	in.facts[run] = append(in.facts[run], f)
	return nil
}
