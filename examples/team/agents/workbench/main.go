// Workbench is an agent with what the oracles need: it makes scratch copies of a package with one file replaced, compares texts, and puts a file
// into its place when that is wanted. The copies live until they are tidied away, or the run ends.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/parallax-run/parallax/examples/team/repair"
	"github.com/parallax-run/parallax/plugins/agent"
)

// Config holds what lives as long as the session.
type Config struct {
	mu      sync.Mutex
	scratch string // "" when there is no copy
}

// Close implements agent.Closer.
func (c *Config) Close() error {
	_, err := c.clear()
	return err
}

// place is where the copies are.
func (c *Config) place() (dir string, err error) {
	if c.scratch == "" {
		c.scratch, err = os.MkdirTemp("", "parallax-team-")
	}
	return c.scratch, err
}

func (c *Config) clear() (copies int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scratch == "" {
		return 0, nil
	}
	all, err := os.ReadDir(c.scratch)
	if err != nil {
		return 0, err
	}
	dir := c.scratch
	c.scratch = ""
	return len(all), os.RemoveAll(dir)
}

// In is a package, and a file of it with another text.
type In struct {
	Path   string `json:"path"`
	File   string `json:"file"`
	Source string `json:"source"`
}

// Copied is where a copy is.
type Copied struct {
	Dir string `json:"dir"`
}

// Compared is what another text changes.
type Compared struct {
	Diff string `json:"diff"`
}

// Written is the file that was replaced.
type Written struct {
	File string `json:"file"`
}

// Tidied is how many copies there were.
type Tidied struct {
	Copies int `json:"copies"`
}

func main() {
	agent.ServeDefinition(definition())
}

func definition() agent.Definition {
	return agent.Multi(agent.Info{
		Name: "workbench", Version: "0.1.0", Description: "Makes scratch copies of a package, compares and writes files.", Idempotent: true,
	},
		agent.NewSkill("copy", "Copies a package with one file replaced.", scratchCopy),
		agent.NewSkill("compare", "Shows what another text of a file changes.", compare),
		agent.NewSkill("write", "Replaces a file.", write),
		agent.NewSkill("tidy", "Removes the copies.", tidy),
	)
}

// scratchCopy gives the same copy for the same text again.
func scratchCopy(_ context.Context, c *agent.Call[Config], in In) (Copied, error) {
	if _, err := in.file(c.Workdir()); err != nil {
		return Copied{}, err
	}
	c.Config.mu.Lock()
	defer c.Config.mu.Unlock()
	place, err := c.Config.place()
	if err != nil {
		return Copied{}, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", in.Path, in.File, in.Source))
	dir := filepath.Join(place, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return Copied{dir}, nil
	}
	if err := os.CopyFS(dir, os.DirFS(repair.Within(c.Workdir(), in.Path))); err != nil {
		return Copied{}, agent.BadInput("cannot copy %s: %w", in.Path, err)
	}
	return Copied{dir}, os.WriteFile(filepath.Join(dir, in.File), []byte(in.Source), 0o600)
}

func compare(_ context.Context, c *agent.Call[Config], in In) (Compared, error) {
	file, err := in.file(c.Workdir())
	if err != nil {
		return Compared{}, err
	}
	was, err := os.ReadFile(file)
	if err != nil {
		return Compared{}, agent.BadInput("cannot read %s: %w", in.File, err)
	}
	return Compared{repair.Diff(in.File, string(was), in.Source)}, nil
}

func write(_ context.Context, c *agent.Call[Config], in In) (Written, error) {
	file, err := in.file(c.Workdir())
	if err != nil {
		return Written{}, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return Written{}, agent.BadInput("cannot replace %s: %w", in.File, err)
	}
	return Written{file}, os.WriteFile(file, []byte(in.Source), info.Mode().Perm())
}

func tidy(_ context.Context, c *agent.Call[Config], _ struct{}) (Tidied, error) {
	copies, err := c.Config.clear()
	return Tidied{copies}, err
}

// file is where the file is that the input speaks of.
func (in In) file(workdir string) (string, error) {
	if !filepath.IsLocal(in.File) {
		return "", agent.BadInput("%s is not within the package", in.File)
	}
	return filepath.Join(repair.Within(workdir, in.Path), in.File), nil
}
