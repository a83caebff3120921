//go:build linux

// Package testcluster is a real Temporal server on a real PostgreSQL, for tests and for nothing else. Both run as processes of this
// machine on free loopback ports, and both can be killed and started again in mid-test: that is what the package is for.
//
// PostgreSQL runs with fsync and full_page_writes as it ships, so a commit that it acknowledged outlives any of its deaths here.
// The server has four history shards, no authorization, and Temporal's own limits and timeouts.
//
// It needs Linux, PostgreSQL 12 or later from a package (Debian: postgresql) and the Temporal server that `make temporal` builds.
// Without them Start fails and says so; nothing is skipped.
package testcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	startTime = 60 * time.Second // the longest that a part may take to be ready on a busy machine
	stopTime  = 20 * time.Second // the longest that PostgreSQL may take to stop before it is killed
)

// A Cluster is one Temporal server and its database. Its methods may be called from several goroutines; those that stop and start
// something wait for one another.
type Cluster struct {
	dir       string
	lock      *os.File // held as long as we live, so that the next cluster knows whose folders are left over
	programs  programs
	ports     ports
	namespace string

	mu       sync.Mutex
	postgres *process
	server   *process
}

// Start starts a cluster with one namespace, ready for workers. ctx bounds the start only; Close stops what runs. The first start on a
// machine takes about ten seconds longer: the set-up database is then kept beside the programs, and copied by later ones.
func Start(ctx context.Context) (*Cluster, error) {
	found, err := findPrograms()
	if err != nil {
		return nil, err
	}
	sweep(os.TempDir())
	c := &Cluster{programs: found, namespace: "parallax-test"}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("test cluster: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.dir, c.lock, err = makeDir(os.TempDir()); err != nil {
		return err
	}
	if c.ports, err = freePorts(); err != nil {
		return err
	}
	if err := c.layDatabase(ctx); err != nil {
		return err
	}
	if err := c.writeConfig(); err != nil {
		return err
	}
	if err := c.startPostgres(ctx); err != nil {
		return err
	}
	if err := c.startServer(ctx); err != nil {
		return err
	}
	return c.AddNamespace(ctx, c.namespace)
}

// Addr is the host and port of the server's gRPC frontend. It stays the same for as long as the cluster lives.
func (c *Cluster) Addr() string { return c.ports.addr(frontend) }

// Namespace is the namespace that Start registered.
func (c *Cluster) Namespace() string { return c.namespace }

// Dir is the folder of the cluster: temporal.log and postgres.log are in it until Close.
func (c *Cluster) Dir() string { return c.dir }

// ServerPID is the process of the Temporal server, zero while there is none.
func (c *Cluster) ServerPID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server.pid()
}

// PostgresPID is the postmaster, zero while there is none. Its children do the work.
func (c *Cluster) PostgresPID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.postgres.pid()
}

// KillServer kills the Temporal server with SIGKILL and returns when it is gone.
func (c *Cluster) KillServer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server.stop(unix.SIGKILL, stopTime)
}

// StartServer starts the server that was killed, on the same ports and the same database, and returns when the cluster's namespace
// can be used again.
func (c *Cluster) StartServer(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.startServer(ctx); err != nil {
		return err
	}
	return c.waitNamespace(ctx, c.namespace)
}

// RestartPostgres stops PostgreSQL in the way named and starts it again on the same port and data. The server keeps running and loses
// its connections.
func (c *Cluster) RestartPostgres(ctx context.Context, how Shutdown) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.postgres.stop(how.signal(), stopTime); err != nil {
		return err
	}
	return c.startPostgres(ctx)
}

// Close stops the server and PostgreSQL, waits until both are gone and removes their folder. It may be called twice.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := []error{
		c.server.stop(unix.SIGKILL, stopTime),
		c.postgres.stop(Fast.signal(), stopTime),
	}
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	if c.lock != nil {
		c.lock.Close()
	}
	c.dir, c.lock = "", nil
	return errors.Join(errs...)
}

const dirPattern = "parallax-cluster-"

// makeDir makes a folder that the account of PostgreSQL can pass through, and holds its lock. The lock has its name only when it is held.
func makeDir(parent string) (string, *os.File, error) {
	dir, err := os.MkdirTemp(parent, dirPattern)
	if err != nil {
		return "", nil, err
	}
	unheld := filepath.Join(dir, "unheld")
	lock, err := os.OpenFile(unheld, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return dir, nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return dir, lock, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := os.Rename(unheld, filepath.Join(dir, "lock")); err != nil {
		return dir, lock, err
	}
	return dir, lock, os.Chmod(dir, 0o711)
}

// sweep removes the folders of clusters whose test binary was killed. What fails is left to the next one.
func sweep(parent string) {
	dirs, err := filepath.Glob(filepath.Join(parent, dirPattern+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		lock, err := os.Open(filepath.Join(dir, "lock"))
		if err != nil {
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		lock.Close()
	}
}
