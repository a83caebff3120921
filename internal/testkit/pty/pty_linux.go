// Package pty runs a program on a terminal of its own, as a person would.
package pty

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/parallax-run/parallax/internal/testkit/vt"
)

// Session is a program on a terminal.
type Session struct {
	Screen *vt.Screen
	cmd    *exec.Cmd
	master *os.File
	tick   chan struct{} // something was written
	read   chan struct{} // closed when the terminal is
}

// Start starts the program as leader of a new session on a terminal of that size. It is killed when the test ends.
func Start(t *testing.T, cmd *exec.Cmd, width, height int) *Session {
	t.Helper()
	master, slave, err := open(width, height)
	require.NoError(t, err)
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	s := &Session{Screen: vt.New(width), cmd: cmd, master: master, tick: make(chan struct{}, 1), read: make(chan struct{})}
	go s.copy()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = master.Close()
		<-s.read
	})
	return s
}

func open(width, height int) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			master.Close()
		}
	}()
	n := 0
	err = control(master, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		if n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
			return err
		}
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)})
	})
	if err != nil {
		return nil, nil, err
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	return master, slave, err
}

func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
}

func (s *Session) copy() {
	defer close(s.read)
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		if n > 0 {
			_, _ = s.Screen.Write(buf[:n])
			select {
			case s.tick <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return // the program has closed its end
		}
	}
}

// Resize changes the terminal's size; the picture of it keeps its width.
func (s *Session) Resize(t *testing.T, width, height int) {
	t.Helper()
	require.NoError(t, control(s.master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)})
	}))
}

// Type types text; "\x03" is Ctrl-C.
func (s *Session) Type(t *testing.T, text string) {
	t.Helper()
	_, err := s.master.WriteString(text)
	require.NoError(t, err)
}

// Until waits until text stands on the screen.
func (s *Session) Until(t *testing.T, text string) {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for !strings.Contains(s.Screen.String(), text) {
		select {
		case <-s.tick:
		case <-s.read:
			if strings.Contains(s.Screen.String(), text) {
				return
			}
			require.FailNow(t, "the program ended without showing "+text, s.Screen.String())
		case <-late.C:
			require.FailNow(t, "the program does not show "+text, s.Screen.String())
		}
	}
}

// Wait waits for the end of the program and its output.
func (s *Session) Wait(t *testing.T) *os.ProcessState {
	t.Helper()
	err := s.cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(t, err)
	}
	<-s.read
	return s.cmd.ProcessState
}
