//go:build amd64 || arm64

package sandbox

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// programs lists the files that the kernel opens to run a program: itself, what interprets it, and what loads that. A directory stands
// for all programs in it.
func programs(path string) ([]string, error) {
	var files []string
	for todo := []string{path}; len(todo) > 0; todo = todo[1:] {
		resolved, err := filepath.EvalSymlinks(todo[0])
		if err != nil {
			return nil, fmt.Errorf("exec: %w", err)
		}
		if slices.Contains(files, resolved) {
			continue
		}
		if files = append(files, resolved); resolved != todo[0] {
			files = append(files, todo[0])
		}
		more, err := interpreters(resolved)
		if err != nil {
			return nil, fmt.Errorf("exec: %s: %w", resolved, err)
		}
		todo = append(todo, more...)
	}
	return files, nil
}

// interpreters are the programs that a file needs to run.
func interpreters(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, err
	}
	line, err := bufio.NewReader(io.LimitReader(f, 256)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if script, ok := bytes.CutPrefix(line, []byte("#!")); ok {
		return named(strings.Fields(string(script)))
	}
	if name := loader(f); name != "" {
		return []string{name}, nil
	}
	return nil, nil
}

// named finds the interpreter of a script, also behind env.
func named(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	found := words[:1]
	if filepath.Base(words[0]) != "env" {
		return found, nil
	}
	for _, w := range words[1:] {
		if !strings.HasPrefix(w, "-") && !strings.Contains(w, "=") {
			program, err := exec.LookPath(w)
			return append(slices.Clip(found), program), err
		}
	}
	return found, nil
}

// loader is the program that loads the libraries of another.
func loader(r io.ReaderAt) string {
	f, err := elf.NewFile(r)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, min(p.Filesz, 4096))
		if _, err := p.ReadAt(name, 0); err != nil {
			return ""
		}
		return strings.TrimRight(string(name), "\x00")
	}
	return ""
}
