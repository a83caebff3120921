package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
)

// Damage is a file that does not hold what was written to it.
type Damage struct {
	Path string
	What string
}

// survey is what can be read of a database.
type survey struct {
	dir     string
	damages []Damage
	newest  map[string]pair // by key; nil when only damages are wanted
}

// quickBytes is up to which size all of a database is looked at whenever it is opened. Of a larger one only the indexes are: Badger finds the
// rest when it reads it.
const quickBytes = 64 << 20

func (s *survey) damaged(name string) func(string) {
	return func(what string) {
		s.damages = append(s.damages, Damage{Path: filepath.Join(s.dir, name), What: what})
	}
}

func (s *survey) want(p pair) {
	if old, ok := s.newest[string(p.key)]; !ok || p.version >= old.version {
		s.newest[string(p.key)] = p
	}
}

// look reads the files of a database. With all it takes everything in.
func look(dir string, all bool) (*survey, error) {
	s := &survey{dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return s, ignoreMissing(err)
	}
	var want func(pair)
	if all {
		s.newest = make(map[string]pair)
		want = s.want
	}
	listed, extra := s.tables(entries)
	for _, name := range listed {
		readTable(filepath.Join(dir, name), want, s.damaged(name))
	}
	for _, e := range entries {
		if info, err := e.Info(); strings.HasSuffix(e.Name(), ".mem") && err == nil && info.Size() > 0 {
			readLog(filepath.Join(dir, e.Name()), s.orNothing(want), s.damaged(e.Name()))
		}
	}
	if len(extra) > 0 {
		s.unlisted(listed, entries, extra, want)
	}
	return s, nil
}

func (s *survey) orNothing(want func(pair)) func(pair) {
	if want == nil {
		return func(pair) {}
	}
	return want
}

// tables gives the names of the tables that count, and of those that the manifest may have lost.
func (s *survey) tables(entries []fs.DirEntry) (listed, extra []string) {
	there := make(map[uint64]string)
	other := false
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".sst"); ok {
			if n, err := strconv.ParseUint(id, 10, 64); err == nil {
				there[n] = e.Name()
			}
		}
		other = other || strings.HasSuffix(e.Name(), ".mem")
	}
	ids, err := manifest(s.dir)
	if err != nil {
		if len(there) > 0 || other || !errors.Is(err, fs.ErrNotExist) {
			s.damaged("MANIFEST")(err.Error())
		}
		for _, name := range there {
			listed = append(listed, name)
		}
		return listed, nil
	}
	var newest uint64
	for id := range ids {
		newest = max(newest, id)
		if name, ok := there[id]; ok {
			listed = append(listed, name)
		} else {
			s.damaged(fmt.Sprintf("%06d.sst", id))("the file is missing")
		}
	}
	for id, name := range there {
		if id > newest {
			extra = append(extra, name)
		}
	}
	return listed, extra
}

// manifest gives the ids of the tables that the database consists of.
func manifest(dir string) (map[uint64]bool, error) {
	f, err := os.Open(filepath.Join(dir, "MANIFEST"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, _, err := badger.ReplayManifestFile(f, 0, tuned(dir))
	if err != nil {
		return nil, err
	}
	ids := make(map[uint64]bool)
	for id := range m.Tables {
		ids[id] = true
	}
	return ids, nil
}

// unlisted looks at tables that the manifest does not know. One that was being made when the process died has nothing that is not elsewhere;
// else the manifest has lost it.
func (s *survey) unlisted(listed []string, entries []fs.DirEntry, extra []string, want func(pair)) {
	have := &survey{dir: s.dir, newest: make(map[string]pair)}
	quiet := func(string) {}
	for _, name := range listed {
		readTable(filepath.Join(s.dir, name), have.want, quiet)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".mem") {
			readLog(filepath.Join(s.dir, e.Name()), have.want, quiet)
		}
	}
	for _, name := range extra {
		lost := false
		readTable(filepath.Join(s.dir, name), func(p pair) {
			old, ok := have.newest[string(p.key)]
			lost = lost || !ok || old.version < p.version
		}, quiet)
		if !lost {
			continue
		}
		s.damaged("MANIFEST")("it does not name " + name)
		if want != nil {
			readTable(filepath.Join(s.dir, name), want, s.damaged(name))
		}
	}
}

// each gives what is alive, and what is to be added to the time of a new database.
func (s *survey) each(do func(key, value []byte) error) error {
	for _, p := range s.newest {
		if p.deleted || strings.HasPrefix(string(p.key), "!badger!") || len(p.key) == 0 {
			continue
		}
		if err := do(p.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

func (s *survey) base() (base uint64) {
	for k, p := range s.newest {
		if base = max(base, p.version); len(k) > 2 && k[0] == factKey {
			if seq := k[len(under(factKey, runOf(p.key))):]; len(seq) >= 8 {
				base = max(base, binary.BigEndian.Uint64([]byte(seq[:8])))
			}
		}
	}
	return base + 1
}

// tidy removes files that hold nothing of ours, and that Badger stumbles over when they are damaged or were never finished.
func tidy(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		empty := err == nil && info.Size() == 0 && strings.HasSuffix(e.Name(), ".mem")
		if empty || strings.HasSuffix(e.Name(), ".vlog") || e.Name() == "DISCARD" || e.Name() == "KEYREGISTRY" {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
