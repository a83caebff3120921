//go:build linux

package testcluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	databaseUser   = "parallax"
	mainDatabase   = "temporal"
	searchDatabase = "temporal_visibility"

	// recipe counts the ways in which databases were set up; a new one leaves the kept databases of the old one alone.
	recipe = 1
)

// layDatabase puts a set-up database into the cluster's folder: a copy of the one that is kept, which is made when there is none.
func (c *Cluster) layDatabase(ctx context.Context) error {
	kept := filepath.Join(c.programs.cache, fmt.Sprintf("postgres-%s-%d", c.programs.major, recipe))
	err := os.CopyFS(c.databaseDir(), os.DirFS(kept))
	if errors.Is(err, fs.ErrNotExist) {
		if err := c.makeDatabase(ctx); err != nil {
			return fmt.Errorf("set up a database: %w", err)
		}
		return keep(c.databaseDir(), kept)
	}
	if err != nil {
		return fmt.Errorf("copy the set-up database: %w; remove %s to have it made again", err, kept)
	}
	return c.closeDatabase()
}

// closeDatabase gives the files to the account of PostgreSQL, which wants its data for itself.
func (c *Cluster) closeDatabase() error {
	if err := os.Chmod(c.dataDir(), 0o700); err != nil {
		return err
	}
	return c.programs.owner.own(c.databaseDir())
}

// makeDatabase makes Temporal's two databases and leaves PostgreSQL stopped, everything written.
func (c *Cluster) makeDatabase(ctx context.Context) error {
	if err := os.MkdirAll(c.dataDir(), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(c.passwordFile(), []byte(rand.Text()), 0o600); err != nil {
		return err
	}
	if err := c.closeDatabase(); err != nil {
		return err
	}
	if err := c.initDatabase(ctx); err != nil {
		return err
	}
	if err := c.startPostgres(ctx); err != nil {
		return err
	}
	for _, name := range []string{mainDatabase, searchDatabase} {
		if err := c.makeSchema(ctx, name); err != nil {
			return err
		}
	}
	return c.postgres.stop(Fast.signal(), stopTime)
}

func (c *Cluster) initDatabase(ctx context.Context) error {
	return command{
		path: c.programs.initdb,
		args: []string{
			"--pgdata", c.dataDir(), "--username", databaseUser, "--pwfile", c.passwordFile(), "--auth", "scram-sha-256",
			"--locale", "C", "--encoding", "UTF8",
		},
		dir:   c.databaseDir(),
		log:   filepath.Join(c.dir, "postgres.log"),
		owner: c.programs.owner,
		death: unix.SIGKILL,
	}.run(ctx)
}

// makeSchema makes one of Temporal's databases; the folder of its schema in Temporal's own tool has a shorter name.
func (c *Cluster) makeSchema(ctx context.Context, name string) error {
	schema := map[string]string{mainDatabase: "temporal", searchDatabase: "visibility"}[name]
	for _, args := range [][]string{
		{"create-database"},
		{"setup-schema", "--version", "0.0"},
		{"update-schema", "--schema-name", "postgresql/v12/" + schema},
	} {
		if err := c.runSQLTool(ctx, name, args); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) runSQLTool(ctx context.Context, database string, args []string) error {
	password, err := c.password()
	if err != nil {
		return err
	}
	return command{
		path:  c.programs.sqlTool,
		args:  append([]string{"--plugin", plugin, "--user", databaseUser, "--database", database}, args...),
		env:   []string{"SQL_HOST=" + loopback, "SQL_PORT=" + strconv.Itoa(c.ports[postgres]), "SQL_PASSWORD=" + password},
		dir:   c.dir,
		log:   filepath.Join(c.dir, "schema.log"),
		death: unix.SIGKILL,
	}.run(ctx)
}

func (c *Cluster) passwordFile() string { return filepath.Join(c.databaseDir(), "password") }

// password is chosen anew for each database that is kept.
func (c *Cluster) password() (string, error) {
	data, err := os.ReadFile(c.passwordFile())
	return string(data), err
}

// keep copies a folder to a name that appears whole or not at all. Who comes second throws its copy away.
func keep(dir, name string) error {
	half, err := os.MkdirTemp(filepath.Dir(name), "half-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(half) }()
	if err := os.CopyFS(half, os.DirFS(dir)); err != nil {
		return err
	}
	if err := os.Rename(half, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
