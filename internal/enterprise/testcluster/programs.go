//go:build linux

package testcluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Version is the Temporal server that tests run, as internal/tools/temporal/go.mod pins it.
const Version = "v1.32.1"

// programs are the folders and programs that a cluster needs.
type programs struct {
	cache    string // what make temporal built; set-up databases are kept here too
	server   string
	sqlTool  string
	initdb   string
	postgres string
	major    string // version of PostgreSQL, for example 15
	owner    *account
}

func findPrograms() (programs, error) {
	temporal, err := findTemporal()
	if err != nil {
		return programs{}, err
	}
	found, err := findPostgres()
	if err != nil {
		return programs{}, err
	}
	found.cache = temporal
	found.server = filepath.Join(temporal, "temporal-server")
	found.sqlTool = filepath.Join(temporal, "temporal-sql-tool")
	return found, nil
}

// findTemporal returns the folder with Temporal's programs. .ci/temporal fills it and knows the same rule.
func findTemporal() (string, error) {
	tools, err := toolsDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(tools, "temporal-"+Version)
	for _, name := range []string{"temporal-server", "temporal-sql-tool"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("the Temporal server for tests is not built: %w; run: make temporal", err)
		}
	}
	return dir, nil
}

// toolsDir is $PARALLAX_TOOLS, or parallax-tools in the cache folder of the user.
func toolsDir() (string, error) {
	if dir := os.Getenv("PARALLAX_TOOLS"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "parallax-tools"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the Temporal server: %w; set PARALLAX_TOOLS", err)
	}
	return filepath.Join(home, ".cache", "parallax-tools"), nil
}

// findPostgres takes the newest PostgreSQL of the packages, which keep their programs out of PATH.
func findPostgres() (programs, error) {
	var found programs
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return found, err
	}
	newest := 0
	for _, name := range dirs {
		bin := filepath.Dir(name)
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if err == nil && major > newest {
			newest = major
			found.initdb, found.postgres, found.major = filepath.Join(bin, "initdb"), name, strconv.Itoa(major)
		}
	}
	if newest < 12 {
		return found, errors.New("no PostgreSQL 12 or later in /usr/lib/postgresql; run: apt-get install postgresql")
	}
	found.owner, err = postgresAccount()
	return found, err
}
