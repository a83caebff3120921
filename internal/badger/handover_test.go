package badger

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is another one at the same store.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	stdin io.WriteCloser
	errs  bytes.Buffer
}

func start(t *testing.T, dir, task string, env ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(append(os.Environ(), "STORE_TEST_TASK="+task, "STORE_TEST_DIR="+dir), env...)
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	p.lines = bufio.NewScanner(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// line waits for the next line; "" at the end.
func (p *process) line() string {
	p.lines.Scan()
	return p.lines.Text()
}

// last reads to the end and gives the last line.
func (p *process) last() string {
	last := ""
	for p.lines.Scan() {
		last = p.lines.Text()
	}
	return last
}

func (p *process) kill() { require.NoError(p.t, p.cmd.Process.Kill()) }

func (p *process) end() {
	p.t.Helper()
	p.stdin.Close()
	require.NoError(p.t, p.cmd.Wait(), "%s", &p.errs)
}

func TestOthersGoOnWhenTheOwnerEndsOrIsKilled(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"ends", "is killed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first := start(t, dir, "hold")
			require.Equal(t, "open", first.line())

			const n = 300
			s := open(t, dir)
			var writers []*process
			for i := range 4 {
				require.NoError(t, s.Create(Record{ID: fmt.Sprint("r", i), Status: Running, Started: now()}))
				writers = append(writers, start(t, dir, fmt.Sprintf("write r%d %d", i, n)))
			}
			for _, w := range writers {
				require.Equal(t, "2", w.line())
			}
			if how == "ends" {
				first.end()
			} else {
				first.kill()
			}
			for i, w := range writers {
				require.Equal(t, strconv.Itoa(n), w.last(), "%s", &w.errs)
				w.end()
				facts, err := s.Facts(fmt.Sprint("r", i))
				require.NoError(t, err)
				require.Len(t, facts, n)
				r, err := s.Record(fmt.Sprint("r", i))
				require.NoError(t, err)
				require.Equal(t, Done, r.Status)
				require.GreaterOrEqual(t, r.Facts, n)
			}
		})
	}
}

func TestWhatWasDurableIsThereAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create(Record{ID: "r", Status: Running}))
	require.NoError(t, s.Close())
	const n = 200
	for round := 0; ; round++ {
		p := start(t, dir, fmt.Sprintf("write r %d", n)) // it owns the store
		told := 0
		for range 20 {
			if line := p.line(); line != "" {
				told, _ = strconv.Atoi(line)
			}
		}
		p.kill()
		if line := p.last(); line != "" {
			told, _ = strconv.Atoi(line)
		}
		_ = p.cmd.Wait() // killed, or done
		s := open(t, dir)
		facts, err := s.Facts("r")
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(facts), told)
		for i, f := range facts {
			require.Equal(t, i+1, f.Addr.N, "a fact is there before one that was handed over earlier")
		}
		r, err := s.Record("r")
		require.NoError(t, err)
		require.Equal(t, uint64(round+1), r.Fence)
		require.NoError(t, s.Close())
		if len(facts) == n {
			require.Positive(t, round, "it was never killed")
			return
		}
		require.Equal(t, Lost, r.Status)
	}
}

func TestTenProcessesWorkAtOneStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 10 {
		require.NoError(t, s.Create(Record{ID: fmt.Sprint("r", i), Status: Running, Started: now()}))
	}
	require.NoError(t, s.Close()) // they find out among themselves who owns it
	var all []*process
	for i := range 10 {
		all = append(all, start(t, dir, fmt.Sprintf("write r%d 40", i)))
	}
	for _, p := range all {
		require.Equal(t, "40", p.last(), "%s", &p.errs)
		p.end()
	}
	s = open(t, dir)
	list, err := s.Records(Filter{Status: Done})
	require.NoError(t, err)
	require.Len(t, list, 10)
}

func TestARunIsHeldByAnotherProcessUntilThatDies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create(Record{ID: "r", Status: Running}))
	p := start(t, dir, "write r 1000000")
	require.NotEmpty(t, p.line())
	_, err := s.Lease("r")
	var held *Held
	require.ErrorAs(t, err, &held)
	require.Equal(t, p.cmd.Process.Pid, held.By)
	require.ErrorAs(t, s.Remove("r"), &held)
	p.kill()
	_ = p.cmd.Wait()
	l, err := s.Lease("r")
	require.NoError(t, err)
	require.NoError(t, l.Append("r", done("9", 1, "1")))
}

func TestALongPathAndAStaleSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "store")
	tmp := t.TempDir()
	p := start(t, dir, "hold", "TMPDIR="+tmp)
	require.Equal(t, "open", p.line())
	s := open(t, dir)
	require.NoError(t, s.Create(Record{ID: "r", Status: Running}))
	l, err := s.Lease("r")
	require.NoError(t, err)
	p.kill()
	_ = p.cmd.Wait()
	require.NoError(t, l.Append("r", done("", 1, "1")))
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	require.NoError(t, err)
	require.Empty(t, left, "the socket of the dead owner is still there")
	other := open(t, dir)
	facts, err := other.Facts("r")
	require.NoError(t, err)
	require.Len(t, facts, 1)
	require.NoError(t, other.Close())
	require.NoError(t, s.Close())
	require.NoFileExists(t, pointer(dir))
}

func TestWatchAndInboxGoOnOverAHandOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "hold")
	require.Equal(t, "open", p.line())
	s := open(t, dir)
	l := begin(t, s, "r")
	require.NoError(t, s.Create(Record{ID: "rr", Status: Running}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	var wg sync.WaitGroup
	var facts, mail []string
	other := open(t, dir)
	wg.Go(func() {
		for c := range other.Watch(ctx, "r") {
			if c.Fact != nil {
				facts = append(facts, c.Run+" "+c.Fact.Addr.String())
			}
			if c.Record != nil && c.Record.Status == Done {
				return
			}
		}
	})
	first := make(chan bool)
	wg.Go(func() {
		for m := range l.Inbox(ctx) {
			mail = append(mail, fmt.Sprint(m.Seq, m.Run, m.Kind, m.Name, m.Value))
			if m.Seq == 1 {
				close(first)
			}
			if m.Seq == 3 {
				return
			}
			if err := l.Ack(m); err != nil {
				panic(err)
			}
		}
	})
	require.NoError(t, l.Append("r", done("", 1, "1")))
	require.NoError(t, other.Send("r", Message{Kind: "signal", Name: "go", Value: []byte("1")}))
	<-first
	p.kill()
	_ = p.cmd.Wait()
	require.NoError(t, l.Append("r", done("", 2, "1")))
	require.NoError(t, l.Append("r/2", done("", 1, "1")))
	require.NoError(t, other.Send("r", Message{Kind: "cancel"}))
	require.NoError(t, other.Send("r/2", Message{Kind: "signal", Name: "x"}))
	require.NoError(t, l.End(func(r *Record) { r.Status = Done }))
	wg.Wait()
	require.ElementsMatch(t, []string{"r 1", "r 2", "r/2 1"}, facts)
	require.Equal(t, []string{"1rsignalgo1", "2rcancel", "3r/2signalx"}, mail)
	require.ErrorIs(t, other.Send("r", Message{Kind: "signal"}), ErrEnded)
	require.ErrorIs(t, other.Send("nobody", Message{Kind: "signal"}), ErrNotFound)

	for m := range l.Inbox(ctx) {
		require.Equal(t, uint64(3), m.Seq, "what was acknowledged comes again")
		break
	}
	for c := range s.Watch(ctx, "nobody") {
		require.ErrorIs(t, c.Err, ErrNotFound)
	}
}
