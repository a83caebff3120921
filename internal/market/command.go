package market

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Command is what starts the agent of a package in dir. Words that name files of the package become their paths, so that it does not
// matter where the agent works.
func Command(dir string, m *manifest.Manifest) []string {
	command := slices.Clone(m.Program.Command)
	for i, word := range command {
		file := filepath.Join(dir, filepath.FromSlash(word))
		if !filepath.IsLocal(filepath.FromSlash(word)) {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			command[i] = file
		}
	}
	return command
}
