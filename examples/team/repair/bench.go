package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bench is a copy of a package on which changes are tried. The original is only read.
type Bench struct {
	Runs int // how often tests were run

	dir    string
	binary string
}

// maxTest bounds one run of the tests: a change may make a loop endless.
const maxTest = 5 * time.Second

// NewBench copies a package, with what is below its directory.
func NewBench(path string) (*Bench, error) {
	dir, err := os.MkdirTemp("", "parallax-bench-")
	if err != nil {
		return nil, err
	}
	b := &Bench{dir: filepath.Join(dir, "code"), binary: filepath.Join(dir, "code.test.exe")}
	if err := os.CopyFS(b.dir, os.DirFS(path)); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close removes the copy.
func (b *Bench) Close() { _ = os.RemoveAll(filepath.Dir(b.dir)) }

// Write replaces a file of the copy.
func (b *Bench) Write(file string, source []byte) error {
	if !filepath.IsLocal(file) {
		return fmt.Errorf("%s is not within the package", file)
	}
	return os.WriteFile(filepath.Join(b.dir, file), source, 0o600)
}

// Read gives a file of the copy.
func (b *Bench) Read(file string) ([]byte, error) {
	if !filepath.IsLocal(file) {
		return nil, fmt.Errorf("%s is not within the package", file)
	}
	return os.ReadFile(filepath.Join(b.dir, file))
}

// BuildError is what the compiler says of code that it refuses.
type BuildError struct{ Output string }

func (e *BuildError) Error() string { return "it does not build: " + e.Output }

// Build makes the program of the tests. Code that does not compile is a BuildError.
func (b *Bench) Build(ctx context.Context, flags ...string) error {
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", b.binary}, flags...)
	out, err := b.command(ctx, "go", append(args, ".")...).CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		return &BuildError{string(bytes.TrimSpace(out))}
	}
	return err
}

// Names lists the tests.
func (b *Bench) Names(ctx context.Context) ([]string, error) {
	out, err := b.command(ctx, b.binary, "-test.list=^Test").Output()
	return strings.Fields(string(out)), err
}

// Counts are how tests ended, each by its full name. One with parts counts by them.
type Counts struct {
	Passed, Failed []string
	Crashed        bool // some did not end
}

// good says whether there was something to pass, and all of it did.
func (c *Counts) good() bool { return !c.Crashed && len(c.Failed) == 0 && len(c.Passed) > 0 }

var ending = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+) `)

// Test runs the tests that a regular expression names, and says how they ended.
func (b *Bench) Test(ctx context.Context, which string, flags ...string) (Counts, error) {
	b.Runs++
	ctx, cancel := context.WithTimeout(ctx, 2*maxTest)
	defer cancel()
	args := append([]string{"-test.v", "-test.run=" + which, "-test.timeout=" + maxTest.String()}, flags...)
	out, err := b.command(ctx, b.binary, args...).CombinedOutput()
	_, exited := errors.AsType[*exec.ExitError](err)
	if err != nil && !exited && !errors.Is(err, exec.ErrWaitDelay) {
		return Counts{}, err
	}
	c := count(string(out))
	c.Crashed = err != nil && len(c.Failed) == 0
	return c, nil
}

func count(output string) Counts {
	var c Counts
	ends := ending.FindAllStringSubmatch(output, -1)
	for _, e := range ends {
		hasParts := slices.ContainsFunc(ends, func(o []string) bool { return strings.HasPrefix(o[2], e[2]+"/") })
		switch {
		case hasParts || e[1] == "SKIP":
		case e[1] == "PASS":
			c.Passed = append(c.Passed, e[2])
		default:
			c.Failed = append(c.Failed, e[2])
		}
	}
	return c
}

// command runs in the copy, which belongs to no workspace.
func (b *Bench) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.WaitDelay = time.Second
	return cmd
}
