//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const timeout = 3 * time.Second

// answer asks a server that answers whatever it is sent.
func answer(c net.Conn, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write([]byte("hello")); err != nil {
		return "", err
	}
	buf := make([]byte, 16)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

func dial(network, addr string) (string, error) {
	d := net.Dialer{Timeout: timeout}
	d.SetMultipathTCP(false)
	return answer(d.Dial(network, addr))
}

func multipath(t *target) (string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 262)
	if err != nil {
		return "", err
	}
	defer syscall.Close(fd)
	return "MPTCP", connect4(fd, t.TCP4)
}

func connect4(fd, port int) error {
	return syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

func fastOpen(t *target) (string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return "", err
	}
	defer syscall.Close(fd)
	if err := syscall.Sendto(fd, []byte("hello"), 0x20000000, &syscall.SockaddrInet4{Port: t.TCP4, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	buf := make([]byte, 16)
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 3})
	n, err := syscall.Read(fd, buf)
	return string(buf[:max(n, 0)]), err
}

func socket(domain, typ, proto int) attempt {
	return func(*target) (string, error) {
		fd, err := syscall.Socket(domain, typ, proto)
		if err != nil {
			return "", err
		}
		return "a socket", syscall.Close(fd)
	}
}

func udp(t *target) (string, error) { return dial("udp4", "127.0.0.1:"+strconv.Itoa(t.UDP)) }

// dns asks a server for a name that carries a secret, as malware does.
func dns(t *target) (string, error) {
	c, err := net.Dial("udp", "127.0.0.1:"+strconv.Itoa(t.UDP))
	if err != nil {
		return "", err
	}
	defer c.Close()
	query := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 6, 's', 'e', 'c', 'r', 'e', 't', 4, 'e', 'v', 'i', 'l', 0, 0, 1, 0, 1}
	_ = c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write(query); err != nil {
		return "", err
	}
	n, err := c.Read(make([]byte, 512))
	return fmt.Sprintf("%d bytes", n), err
}

// listen lets somebody outside connect to it: the test looks for its port in its home.
func listen(bind bool) attempt {
	return func(*target) (string, error) {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			return "", err
		}
		defer syscall.Close(fd)
		if bind {
			if err := syscall.Bind(fd, &syscall.SockaddrInet4{}); err != nil {
				return "", err
			}
		}
		if err := syscall.Listen(fd, 1); err != nil {
			return "", err
		}
		sa, err := syscall.Getsockname(fd)
		if err != nil {
			return "", err
		}
		note := filepath.Join(os.Getenv("HOME"), "port")
		if err := os.WriteFile(note+".new", []byte(strconv.Itoa(sa.(*syscall.SockaddrInet4).Port)), 0o666); err != nil {
			return "", err
		}
		if err := os.Rename(note+".new", note); err != nil {
			return "", err
		}
		defer os.Remove(note)
		_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 2})
		c, _, err := syscall.Accept(fd)
		if err != nil {
			return "", fmt.Errorf("nobody came: %w", err)
		}
		return "somebody came", syscall.Close(c)
	}
}

func path(t *target) (string, error) { return dial("unix", t.Path) }

func abstract(t *target) (string, error) { return dial("unix", "@"+t.Abstract) }

// datagram sends from one of a pair of sockets to a third.
func datagram(t *target) (string, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return "", err
	}
	return "sent", syscall.Sendto(fds[0], []byte("hello"), 0, &syscall.SockaddrUnix{Name: t.Datagrams})
}

// seqpacket does the same with packets, which must not be taken as addressed.
func seqpacket(t *target) (string, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0)
	if err != nil {
		return "", err
	}
	if err := syscall.Sendto(fds[0], []byte("hello"), 0, &syscall.SockaddrUnix{Name: t.Datagrams}); err != nil {
		return "", err
	}
	_ = syscall.SetNonblock(fds[1], true)
	if n, err := syscall.Read(fds[1], make([]byte, 8)); err == nil && n == 5 {
		return "", errors.New("it came to the other end, not to the address")
	}
	return "sent elsewhere", nil
}

var _ = unsafe.Pointer(nil)
