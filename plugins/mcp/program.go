package mcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/process"
)

// program is a server that is started, and spoken to on its streams.
type program struct {
	argv []string
	dir  string
	env  []string
	most int // bytes of one message
}

func (p *program) name() string { return filepath.Base(p.argv[0]) }

// dial implements server.
func (p *program) dial(ctx context.Context) (line, error) {
	in, toIn := io.Pipe()
	fromOut, out := io.Pipe()
	r := &running{program: p, in: input{PipeWriter: toIn}, out: output{r: fromOut, most: p.most}, done: make(chan struct{})}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	cmd := &process.Command{Argv: p.argv, Dir: p.dir, Env: p.env, Stdin: in, Stdout: out, Stderr: &r.said}
	go func() {
		defer close(r.done)
		r.state, r.err = cmd.Run(ctx)
		r.alone = r.in.lost.Load() || !r.in.closed.Load()
		_ = in.CloseWithError(io.ErrClosedPipe)
		_ = out.Close()
	}()
	return r, nil
}

// running is a program that was started.
type running struct {
	program *program
	stop    context.CancelFunc
	in      input  // its standard input
	out     output // its standard output
	said    tail   // the end of its standard error

	done  chan struct{} // closed when it has ended; then state and err are there
	state *os.ProcessState
	err   error
	alone bool // nobody had told it to
}

// transport implements line.
func (r *running) transport() mcp.Transport {
	return &mcp.IOTransport{Reader: io.NopCloser(&r.out), Writer: &r.in, MaxLineLength: r.program.most}
}

// hangUp implements line. The program has been told by the end of its input, and gets some time.
func (r *running) hangUp() {
	_ = r.in.Close()
	go func() { _, _ = io.Copy(io.Discard, r.out.r) }() // what it still prints does not hold it up
	give := time.AfterFunc(process.Grace, r.stop)
	defer give.Stop()
	<-r.done
	r.stop()
}

// broken implements line: it says how the program ended, if it has by itself.
func (r *running) broken() error {
	if r.out.over.Load() {
		return agent.Refuse("%s sent a message of more than %d bytes", r.program.name(), r.program.most).WithCode("too_long").
			WithHint("raise max_response in parallax.toml")
	}
	wait := time.NewTimer(shows)
	defer wait.Stop()
	select {
	case <-r.done:
	case <-wait.C:
		return nil
	}
	if !r.alone {
		return nil
	}
	words := process.LastWords(r.said.String())
	switch e, ok := errors.AsType[*agent.Error](r.err); {
	case ok:
		return e
	case r.err != nil:
		return agent.Unavailable(0, "%s: %w%s", r.program.name(), r.err, words).WithCode("ended")
	}
	return agent.Unavailable(0, "%s ended (%s)%s", r.program.name(), r.state, words).WithCode("ended").
		WithHint("it is started again for the next call; run it by hand to see why")
}

// input is a program's standard input, which knows whether it was closed, and whether the program had gone before.
type input struct {
	*io.PipeWriter

	closed, lost atomic.Bool
}

// Write implements io.Writer.
func (i *input) Write(b []byte) (int, error) {
	n, err := i.PipeWriter.Write(b)
	if err != nil && !i.closed.Load() {
		i.lost.Store(true)
	}
	return n, err
}

// Close implements io.Closer.
func (i *input) Close() error {
	i.closed.Store(true)
	return i.PipeWriter.Close()
}

// output is a program's standard output, which knows whether a line of it was too long. Only one reads from it.
type output struct {
	r    *io.PipeReader
	most int
	line int // bytes of the one that is being read
	over atomic.Bool
}

// Read implements io.Reader.
func (o *output) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		o.line = n - i - 1
	} else if o.line += n; o.line >= o.most {
		o.over.Store(true)
	}
	return n, err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if len(t.kept) > tailBytes {
		t.kept = append([]byte(nil), t.kept[len(t.kept)-tailBytes:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
