// Package process runs the programs that bundled agents put to work: each in a process group of its own, none of which is left
// when its run ends.
package process

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/parallax-run/parallax/plugins/agent"
)

// Command is one run of a program.
type Command struct {
	Argv   []string
	Dir    string // "" means that of this process
	Env    []string
	Stdin  io.Reader // nil means an empty one; one that is an io.Closer is closed at the end of the run
	Stdout io.Writer // an error of its ends the run and is the run's
	Stderr io.Writer // the same

	// Limit is how long the host waits for the answer; zero means for ever. The run ends a little earlier, with ErrTooLong.
	Limit time.Duration
}

// Grace is how long a program may take to end after it was told to.
const Grace = time.Second

// ErrTooLong is why a run ended that would have outlasted its limit.
var ErrTooLong = errors.New("it takes too long")

// HeadStart is by how much a run ends before the host stops waiting, which does not know what the program printed.
func HeadStart(limit time.Duration) time.Duration { return min(limit/10, 3*Grace/2) }

// Run runs the program to its end. Nothing that it started runs any more when Run returns. An error means that there is no exit code:
// the program could not be started (*agent.Error), it was stopped for an error of a writer, or the cause of ctx's end. A program that
// a signal ended has the exit code -1.
func (c *Command) Run(ctx context.Context) (*os.ProcessState, error) {
	defer c.closeStdin()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := Grace
	if c.Limit > 0 {
		head := HeadStart(c.Limit)
		patience = min(Grace, head/2)
		defer time.AfterFunc(c.Limit-head, func() { cancel(ErrTooLong) }).Stop()
	}
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.WaitDelay = patience
	isolate(cmd)
	wait, err := c.start(cmd, cancel)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, c.notStarted(err)
	}
	err = cmd.Wait()
	sweep(cmd)
	wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return nil, agent.Refuse("%s: %w", c.Argv[0], err)
	}
	return cmd.ProcessState, nil
}

// start starts the program with pipes of our own, so that a child of its that keeps one open cannot hold us up: wait
// returns when all writers are gone, or after Grace.
func (c *Command) start(cmd *exec.Cmd, fail context.CancelCauseFunc) (wait func(), err error) {
	var ends pipes
	in, inW := ends.pipe()
	outR, out := ends.pipe()
	errR, errW := ends.pipe()
	if ends.err != nil {
		ends.close()
		return nil, ends.err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errW
	if err := cmd.Start(); err != nil {
		ends.close()
		return nil, err
	}
	closeAll(in, out, errW) // the program has its own
	var work sync.WaitGroup
	work.Go(func() {
		if c.Stdin != nil {
			_, _ = io.Copy(inW, c.Stdin) // a program need not read
		}
		_ = inW.Close()
	})
	work.Go(func() { _, _ = io.Copy(sink{c.Stdout, fail}, outR) })
	work.Go(func() { _, _ = io.Copy(sink{c.Stderr, fail}, errR) })
	return func() {
		give := time.AfterFunc(Grace, func() { closeAll(outR, errR) }) // to a process that fled from its group
		defer give.Stop()
		_ = inW.Close()
		c.closeStdin()
		work.Wait()
		closeAll(outR, errR)
	}, nil
}

func (c *Command) closeStdin() {
	if closer, ok := c.Stdin.(io.Closer); ok {
		_ = closer.Close()
	}
}

// sink tells of the errors of a writer.
type sink struct {
	w    io.Writer
	fail context.CancelCauseFunc
}

// Write implements io.Writer.
func (s sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		s.fail(err)
	}
	return n, err
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// pipes opens pipes until one fails.
type pipes struct {
	files []*os.File
	err   error
}

func (p *pipes) pipe() (r, w *os.File) {
	if p.err != nil {
		return nil, nil
	}
	if r, w, p.err = os.Pipe(); p.err == nil {
		p.files = append(p.files, r, w)
	}
	return r, w
}

func (p *pipes) close() { closeAll(p.files...) }

func (c *Command) notStarted(err error) error {
	program := c.Argv[0]
	if st, serr := os.Stat(c.Dir); c.Dir != "" && (serr != nil || !st.IsDir()) {
		return agent.Refuse("cannot run %s: there is no directory %s", program, c.Dir).
			WithCode("no_directory").WithHint("check dir in parallax.toml")
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return agent.Refuse("there is no program %q on PATH", program).
			WithCode("no_program").WithHint("install it, or check command in parallax.toml")
	case errors.Is(err, fs.ErrNotExist):
		return agent.Refuse("there is no program %s", program).
			WithCode("no_program").WithHint("check command in parallax.toml; a path is relative to the agent's directory")
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR):
		return agent.Refuse("%s may not be executed", program).WithCode("no_program").WithHint("chmod +x " + program)
	case errors.Is(err, syscall.E2BIG):
		return agent.Refuse("the arguments of %s are too long for this system", program).
			WithCode("too_long_arguments").WithHint("hand large inputs over on stdin or in a file")
	}
	return agent.Refuse("cannot run %s: %w", program, err).WithCode("no_program")
}
