package index

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Path is where the entry of a package is kept, below the root of an index.
func Path(name string) string { return "packages/" + name + ".json" }

// ParseEntry reads the text of an entry; file is what findings call it. Its error is Problems.
func ParseEntry(file string, text []byte) (*Entry, error) {
	f := &findings{file: file}
	e := &Entry{}
	if f.decode(text, e, MaxEntry) {
		e.check(f)
	}
	if len(f.errors()) > 0 {
		return nil, Problems(f.errors())
	}
	return e, nil
}

// Text is the entry as it is written: keys in one order, two blanks a level, so that changes read well.
func (e *Entry) Text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(e)
	return b.Bytes(), err
}

// Put adds a version where it belongs, or takes the place of the one of that number.
func (e *Entry) Put(v Version) {
	i, there := slices.BinarySearchFunc(e.Versions, v, func(a, b Version) int { return Compare(a.Version, b.Version) })
	if there {
		e.Versions[i] = v
		return
	}
	e.Versions = slices.Insert(e.Versions, i, v)
}

// StatsText is the text of stats.json: a line for each package, so that changes read well.
func StatsText(stats map[string]Stats) []byte {
	var b bytes.Buffer
	b.WriteString("{")
	for i, name := range slices.Sorted(maps.Keys(stats)) {
		if i > 0 {
			b.WriteString(",")
		}
		s := stats[name]
		fmt.Fprintf(&b, "\n  %q: {\"stars\": %d, \"downloads\": %d}", name, s.Stars, s.Downloads)
	}
	b.WriteString("\n}\n")
	return b.Bytes()
}
