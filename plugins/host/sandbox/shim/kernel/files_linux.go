//go:build amd64 || arm64

package kernel

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"syscall"
)

// Fault is an error with what was tried. Package fmt would have to be set up before the shim.
type Fault struct {
	What string
	Err  error
}

func (f *Fault) Error() string { return f.What + ": " + f.Err.Error() }

func (f *Fault) Unwrap() error { return f.Err }

// Wrap says what was tried when err came.
func Wrap(err error, what ...string) error {
	var text []byte
	for _, w := range what {
		text = append(text, w...)
	}
	return &Fault{string(text), err}
}

// Itoa writes a number.
func Itoa[N int | int64 | uintptr](n N) string { return strconv.FormatInt(int64(n), 10) }

// IsDir says whether a path, after its links, is a directory.
func IsDir(name string) (bool, error) {
	var st Stat_t
	if err := syscall.Stat(name, &st); err != nil {
		return false, Wrap(err, name)
	}
	return st.Mode&S_IFMT == S_IFDIR, nil
}

// Exists says whether something has a name, be it a link to nothing.
func Exists(name string) bool {
	var st Stat_t
	return syscall.Lstat(name, &st) == nil
}

// Readlink gives where a link leads.
func Readlink(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := syscall.Readlink(name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// MkdirAll makes a directory and those above it.
func MkdirAll(name string) error {
	err := syscall.Mkdir(name, 0o755)
	if errors.Is(err, syscall.ENOENT) {
		if err = MkdirAll(path.Dir(name)); err == nil {
			err = syscall.Mkdir(name, 0o755)
		}
	}
	if err != nil && !errors.Is(err, syscall.EEXIST) {
		return Wrap(err, "make ", name)
	}
	return nil
}

// Touch makes an empty file and the directories above it.
func Touch(name string) error {
	if err := MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	fd, err := syscall.Open(name, syscall.O_CREAT|syscall.O_RDONLY|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return Wrap(err, "make ", name)
	}
	return syscall.Close(fd)
}

// WriteFile writes to a file that is there.
func WriteFile(name, text string) error {
	fd, err := syscall.Open(name, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = syscall.Write(fd, []byte(text))
	_ = syscall.Close(fd)
	return err
}

// Parts gives the names in a path.
func Parts(name string) []string {
	var parts []string
	for dir := path.Clean("/" + name); dir != "/"; dir = path.Dir(dir) {
		parts = append(parts, path.Base(dir))
	}
	slices.Reverse(parts)
	return parts
}
