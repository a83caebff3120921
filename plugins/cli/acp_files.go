package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/coder/acp-go-sdk"
)

// largestFile is the most that is read for a tool.
const largestFile = 8 << 20 // bytes

// below gives a path relative to the directory in which the tool works.
func (t *talk) below(path string) (string, *acp.RequestError) {
	if !filepath.IsAbs(path) {
		return "", acp.NewInvalidParams("the path must be absolute: " + path)
	}
	bases := []string{t.dir}
	if dir, err := filepath.EvalSymlinks(t.dir); err == nil {
		bases = append(bases, dir)
	}
	for _, base := range bases {
		if rel, err := filepath.Rel(base, filepath.Clean(path)); err == nil && filepath.IsLocal(rel) {
			return rel, nil
		}
	}
	return "", acp.NewInvalidParams(path + " is not below " + t.dir + ", which is all that this client serves")
}

// fileError is an error of the file system as the tool sees it.
func fileError(err error) *acp.RequestError {
	if errors.Is(err, fs.ErrNotExist) {
		return &acp.RequestError{Code: -32002, Message: "Resource not found", Data: err.Error()}
	}
	return acp.NewInvalidParams(err.Error())
}

// readFile reads a text file for the tool. Links cannot lead out of the directory.
func (t *talk) readFile(_ context.Context, p acp.ReadTextFileRequest) (acp.ReadTextFileResponse, *acp.RequestError) {
	var r acp.ReadTextFileResponse
	if !t.config.may(acp.ToolKindRead) {
		return r, acp.NewMethodNotFound(acp.ClientMethodFsReadTextFile)
	}
	rel, rerr := t.below(p.Path)
	if rerr != nil {
		return r, rerr
	}
	root, err := os.OpenRoot(t.dir)
	if err != nil {
		return r, fileError(err)
	}
	defer root.Close()
	content, err := readText(root, rel)
	if err != nil {
		return r, fileError(err)
	}
	r.Content = part(content, value(p.Line), p.Limit)
	return r, nil
}

func readText(root *os.Root, name string) (string, error) {
	if st, err := root.Stat(name); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() {
		return "", errors.New(name + " is not a plain file")
	}
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > largestFile:
		return "", errors.New(name + " is larger than 8 MiB")
	case !utf8.Valid(b):
		return "", errors.New(name + " is not text in UTF-8")
	}
	return string(b), nil
}

// part is limit lines of a text from the line with a number, which counts from 1.
func part(content string, line int, limit *int) string {
	if line <= 1 && limit == nil {
		return content
	}
	lines := strings.SplitAfter(content, "\n")
	lines = lines[min(max(line-1, 0), len(lines)):]
	if limit != nil {
		lines = lines[:min(max(*limit, 0), len(lines))]
	}
	return strings.Join(lines, "")
}

// writeFile writes a text file for the tool, and asks a person before where the configuration says so.
func (t *talk) writeFile(ctx context.Context, p acp.WriteTextFileRequest) (acp.WriteTextFileResponse, *acp.RequestError) {
	var r acp.WriteTextFileResponse
	if !t.config.may(acp.ToolKindEdit) {
		return r, acp.NewMethodNotFound(acp.ClientMethodFsWriteTextFile)
	}
	rel, rerr := t.below(p.Path)
	if rerr != nil {
		return r, rerr
	}
	if !has(t.config.Allow, acp.ToolKindEdit) && !t.agreed(p.Path) &&
		!t.consent(ctx, "write "+p.Path, map[string]any{"path": p.Path, "content": p.Content}) {
		return r, acp.NewInvalidRequest("a person refused to let it write " + p.Path)
	}
	root, err := os.OpenRoot(t.dir)
	if err != nil {
		return r, fileError(err)
	}
	defer root.Close()
	if err := writeText(root, rel, p.Content); err != nil {
		return r, fileError(err)
	}
	return r, nil
}

// agreed says whether a person agreed already that a file is written.
func (t *talk) agreed(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.granted[filepath.Clean(path)]
}

func writeText(root *os.Root, name, content string) error {
	if st, err := root.Stat(name); err == nil && !st.Mode().IsRegular() {
		return errors.New(name + " is not a plain file")
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return root.WriteFile(name, []byte(content), 0o666)
}
