package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestApprovalAsksOnTheTerminal(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ answer, want string }{
		"yes":            {"approve\n", "made: Add an index on orders.customer_id; about 40 s of slower writes.\n"},
		"no, with words": {"2 too slow on a Friday\n", "not made (reject): too slow on a Friday\n"},
		"another option": {"LATER\n", "not made (later): no reason given\n"},
		"a slip first":   {"perhaps\n3\n", "not made (later): no reason given\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, shown := onTerminal(t, "> ", c.answer, "run", "approval")
			require.Equal(t, c.want, out)
			require.Contains(t, shown, "? Make this change?")
			require.Contains(t, shown, "Add an index on orders.customer_id")
			require.Contains(t, shown, "3) later")
		})
	}
}

func TestApprovalThatNobodyGivesInTimeIsANo(t *testing.T) {
	t.Parallel()
	out, _ := onTerminal(t, "> ", "", "run", "approval", "--input", "wait=200ms")
	require.Equal(t, "not made (reject): nobody decided in time\n", out)
}

// onTerminal runs parallax on a terminal of its own, types the answer when the prompt stands there, and gives what it printed as
// its result and what the person saw.
func onTerminal(t *testing.T, prompt, answer string, args ...string) (out, shown string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxRun)
	defer cancel()
	person, terminal := openTerminal(t)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(environment(), "TERM=xterm-256color")
	var result bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, &result, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	require.NoError(t, cmd.Start())
	require.NoError(t, terminal.Close())

	var seen strings.Builder
	screen := bufio.NewReader(person)
	for !strings.HasSuffix(seen.String(), prompt) {
		b, err := screen.ReadByte()
		require.NoError(t, err, "it never asked:\n%s", seen.String())
		seen.WriteByte(b)
	}
	_, err := io.WriteString(person, answer)
	require.NoError(t, err)
	_, _ = io.Copy(&seen, screen) // ends with an error when the last program leaves the terminal
	require.NoError(t, cmd.Wait(), "%s", seen.String())
	return result.String(), seen.String()
}

// openTerminal makes a terminal: what a person reads and types, and what a program takes for its terminal.
func openTerminal(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return person, terminal
}
