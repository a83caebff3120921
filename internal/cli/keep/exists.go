package keep

import (
	"os"
	"path/filepath"
)

// Exists says whether a directory holds a store.
func Exists(dir string) bool {
	for _, name := range []string{"version", "db"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}
