//go:build linux

package testcluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Shutdown is a way for PostgreSQL to stop.
type Shutdown int

// The ways differ in what is left to the next start.
const (
	Fast      Shutdown = iota // ends sessions, writes a checkpoint, stops
	Immediate                 // drops everything; the next start recovers from the log, as after a crash
)

func (s Shutdown) signal() syscall.Signal {
	if s == Immediate {
		return unix.SIGQUIT
	}
	return unix.SIGINT
}

// startPostgres starts PostgreSQL on the cluster's data and returns when it answers. Recovery may take a while.
func (c *Cluster) startPostgres(ctx context.Context) error {
	p, err := command{
		path: c.programs.postgres,
		args: []string{
			"-D", c.dataDir(),
			"-c", "listen_addresses=" + loopback,
			"-c", "port=" + strconv.Itoa(c.ports[postgres]),
			"-c", "unix_socket_directories=",
			"-c", "max_connections=200",
		},
		dir:   c.databaseDir(),
		log:   filepath.Join(c.dir, "postgres.log"),
		owner: c.programs.owner,
		death: unix.SIGQUIT, // so that its children and its shared memory go too
	}.begin(ctx)
	if err != nil {
		return err
	}
	c.postgres = p
	return p.ready(ctx, func(context.Context) error { return postmasterReady(c.dataDir(), p.cmd.Process.Pid) })
}

// postmasterReady fails until the postmaster says in its lock file that it takes sessions: its process is on the first line, its state
// on the eighth.
func postmasterReady(data string, pid int) error {
	name := filepath.Join(data, "postmaster.pid")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 8 || lines[0] != strconv.Itoa(pid) || strings.TrimSpace(lines[7]) != "ready" {
		return fmt.Errorf("%s says %q", name, text)
	}
	return nil
}

func (c *Cluster) databaseDir() string { return filepath.Join(c.dir, "postgres") }
func (c *Cluster) dataDir() string     { return filepath.Join(c.databaseDir(), "data") }
