package host

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"sync"
)

// spawner starts all agent processes from one OS thread that lives as long as the Host: on Linux the kernel kills a child
// when the thread that started it ends, and Go ends threads as it likes.
type spawner struct {
	log  *slog.Logger
	dirs func() []string // the host's temporary directories, for the keeper

	mu     sync.Mutex
	token  string // of this host, in the marks of all its processes
	count  int
	jobs   chan job
	done   chan struct{}
	keeper *keeper
	closed bool
}

// markName is the environment variable by which the descendants of an agent are found.
const markName = "PARALLAX_AGENT_PROCESS"

// mark makes the mark of the next process: TOKEN.N.
func (s *spawner) mark() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" {
		s.token = rand.Text()
	}
	s.count++
	return s.token + "." + strconv.Itoa(s.count)
}

type job struct {
	cmd    *exec.Cmd
	result chan error
}

// start starts a command and has the keeper watch over it.
func (s *spawner) start(cmd *exec.Cmd) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.jobs == nil {
		s.jobs, s.done = make(chan job), make(chan struct{})
		go s.run(s.jobs, s.done)
		k, err := startKeeper(s.token, s.dirs())
		if err != nil {
			s.log.Warn("children of agents will outlive a killed host", slog.Any("error", err))
		}
		s.keeper = k
	}
	s.mu.Unlock()
	j := job{cmd, make(chan error, 1)}
	s.jobs <- j
	if err := <-j.result; err != nil {
		return err
	}
	s.keeper.watch(cmd.Process.Pid)
	return nil
}

func (s *spawner) run(jobs <-chan job, done chan<- struct{}) {
	defer close(done)
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread() // the thread goes on living: ending it would kill what it started
	for j := range jobs {
		j.result <- j.cmd.Start()
	}
}

// ended says that a process and its descendants are gone.
func (s *spawner) ended(pid int) { s.keeper.forget(pid) }

// close ends the thread's goroutine and the keeper. All processes have ended.
func (s *spawner) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.jobs == nil {
		return nil
	}
	close(s.jobs)
	<-s.done
	s.jobs = nil
	return errors.Join(s.keeper.close())
}
