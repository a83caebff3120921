package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// format is that of the files of a store. A program refuses formats that are newer than its own.
const format = 1

// checkVersion refuses a store of a newer format. The file says "1 VERSION": the format, and the program that wrote it first.
func checkVersion(dir string) error {
	name := filepath.Join(dir, "version")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	number, version, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	var n int
	if _, err := fmt.Sscanf(number, "%d", &n); err != nil || n < 1 {
		return &Corrupt{Path: name, Why: "it does not say which format the store has"}
	}
	if n > format {
		return &Newer{Dir: dir, Version: version}
	}
	return nil
}

// tornVersion is what is wrong with the file that says the format; nil when it says one.
func tornVersion(dir string) []Damage {
	if e, ok := errors.AsType[*Corrupt](checkVersion(dir)); ok {
		return []Damage{{e.Path, e.Why}}
	}
	return nil
}

func writeVersion(dir, version string) error {
	name := filepath.Join(dir, "version")
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if version == "" {
		version = "unknown"
	}
	b := blobs{dir: dir, fsync: true}
	return failed(dir, b.replace(name, fmt.Appendf(nil, "%d %s\n", format, version)))
}
