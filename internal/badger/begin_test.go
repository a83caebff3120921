package badger

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// inheritance is more than goes into one request.
func inheritance() (messages []Message, past []Past) {
	for n := range 12 {
		messages = append(messages, Message{Kind: "signal", Name: "go", Value: runtime.Payload(fmt.Sprintf(`[%d,"%s"]`, n, strings.Repeat("signal ", 3<<10)))})
	}
	var facts []runtime.Fact
	for n := range 50 {
		facts = append(facts, done("", n+1, `"`+strings.Repeat(strconv.Itoa(n)+" ", 2<<10)+`"`))
	}
	return messages, []Past{{"r", facts}, {"r/3", []runtime.Fact{done("", 1, `"child"`)}}}
}

func requireBegun(t *testing.T, s *Store, messages []Message, past []Past) {
	t.Helper()
	require.Equal(t, "r", ids(t, s))
	for _, p := range past {
		facts, err := s.Facts(p.Run)
		require.NoError(t, err)
		require.Equal(t, p.Facts, facts)
	}
	l, err := s.Lease("r")
	require.NoError(t, err)
	require.NoError(t, s.Send("r", Message{Kind: "signal", Name: "later"}))
	n := 0
	for m := range l.Inbox(t.Context()) {
		require.EqualValues(t, n+1, m.Seq)
		if n == len(messages) {
			require.Equal(t, "later", m.Name)
			break
		}
		require.Equal(t, messages[n].Value, m.Value)
		n++
	}
	require.NoError(t, l.Release())
}

func TestARunBeginsWithWhatItIsToFind(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	messages, past := inheritance()
	r := Record{ID: "r", Status: Running, Started: now()}
	require.NoError(t, s.Begin(r, messages, past))
	requireBegun(t, s, messages, past)
	require.ErrorIs(t, s.Begin(r, messages, past), ErrExists)
	require.ErrorIs(t, s.Begin(r, nil, nil), ErrExists)
	requireBegun(t, s, append(messages, Message{}), past[:0])
}

// TestARunThatDiedBeforeItBeganIsNone kills the process that begins a run after each of its requests.
func TestARunThatDiedBeforeItBeganIsNone(t *testing.T) {
	t.Parallel()
	for n, whole := 1, false; !whole; n++ {
		dir := t.TempDir()
		owner := start(t, dir, "hold")
		require.Equal(t, "open", owner.line())
		p := start(t, dir, fmt.Sprintf("inherit %d", n))
		last := p.last()
		err := p.cmd.Wait()
		whole = err == nil
		require.Equal(t, whole, last == "begun", "%s", &p.errs)
		s := open(t, dir)
		messages, past := inheritance()
		switch {
		case last != "": // its record is there
			requireBegun(t, s, messages, past)
			if whole {
				require.Greater(t, n, 8, "there are parts")
			}
		default:
			require.Empty(t, ids(t, s), "after %d requests", n)
			_, err := s.Lease("r")
			require.ErrorIs(t, err, ErrNotFound)
			if n%2 == 0 {
				messages, past = nil, nil
			}
			require.NoError(t, s.Begin(Record{ID: "r", Status: Running, Started: now()}, messages, past))
			requireBegun(t, s, messages, past)
		}
		require.NoError(t, s.Close())
		owner.end()
	}
}

// inherit begins a run, and dies when so many requests for that have been answered.
func inherit(dir string, words []string) error {
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.backend = &mortal{backend: s.backend, left: n}
	s.mu.Unlock()
	messages, past := inheritance()
	if err := s.Begin(Record{ID: "r", Status: Running, Started: now()}, messages, past); err != nil {
		return err
	}
	fmt.Println("begun")
	return s.Close()
}

// mortal is a backend that ends the process after so many answers.
type mortal struct {
	backend
	left int
}

func (m *mortal) send(by *holder, r *request, reply func(*answer)) bool {
	return m.backend.send(by, r, func(a *answer) {
		if r.Op != opImport {
			reply(a)
			return
		}
		if m.left--; m.left > 0 {
			reply(a)
			return
		}
		if r.Last {
			fmt.Println("durable")
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		panic(err)
	})
}
