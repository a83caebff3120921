//go:build amd64 || arm64

package shim

import (
	"errors"
	"path"
	"slices"
	"syscall"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim/kernel"
)

// fileTree gives the agent a file tree of its own: an empty one, in which only what the plan names can be found. What has no
// name there cannot be opened, and no server of the machine can be connected to.
func (s *shim) fileTree() error {
	if err := syscall.Mount("", "/", "", kernel.MS_REC|kernel.MS_PRIVATE, ""); err != nil {
		return kernel.Wrap(err, "keep mounts to itself")
	}
	t := &tree{root: s.plan.Root}
	if err := syscall.Mount("tmpfs", t.root, "tmpfs", kernel.MS_NOSUID|kernel.MS_NODEV, "size=1m,mode=755"); err != nil {
		return kernel.Wrap(err, "mount an empty tree")
	}
	for _, path := range s.plan.Binds {
		if err := t.show(path); err != nil {
			return err
		}
	}
	if err := t.proc(); err != nil {
		return err
	}
	return t.enter()
}

// tree is a file tree that is being put together.
type tree struct {
	root  string
	shown []string // directories that are there with all below
}

// show makes a path of the machine visible at the same place, with the links that lead to it. One that is not there is left out: the
// rules say whether that is an error.
func (t *tree) show(name string) error {
	there, err := t.follow(name)
	if errors.Is(err, kernel.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(t.shown, func(dir string) bool {
		return there == dir || dir == "/" || len(there) > len(dir) && there[:len(dir)+1] == dir+"/"
	}) {
		return nil
	}
	dir, err := kernel.IsDir(there)
	if err != nil {
		return err
	}
	place := t.root + there
	if dir {
		t.shown = append(t.shown, there)
		err = kernel.MkdirAll(place)
	} else {
		err = kernel.Touch(place)
	}
	if err != nil {
		return err
	}
	if err := syscall.Mount(there, place, "", kernel.MS_BIND|kernel.MS_REC, ""); err != nil {
		return kernel.Wrap(err, "show ", there)
	}
	return nil
}

// maxLinks is how many links a path may lead through.
const maxLinks = 40

// follow resolves a path and makes the links on the way.
func (t *tree) follow(name string) (string, error) {
	links := 0
	rest := kernel.Parts(name)
	at := "/"
	for len(rest) > 0 {
		next := path.Join(at, rest[0])
		target, err := kernel.Readlink(next)
		if err != nil {
			if errors.Is(err, kernel.ENOENT) {
				return "", err
			}
			at, rest = next, rest[1:]
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New(name + " leads through too many links")
		}
		if err := t.link(next, target); err != nil {
			return "", err
		}
		if !path.IsAbs(target) {
			target = path.Join(at, target)
		}
		rest = append(kernel.Parts(target), rest[1:]...)
		at = "/"
	}
	return at, nil
}

// link makes a link of the machine, unless something is there.
func (t *tree) link(name, target string) error {
	place := t.root + name
	if kernel.Exists(place) {
		return nil
	}
	if err := kernel.MkdirAll(path.Dir(place)); err != nil {
		return err
	}
	return syscall.Symlink(target, place)
}

// proc shows the processes of the agent's own process space.
func (t *tree) proc() error {
	place := t.root + "/proc"
	if err := kernel.MkdirAll(place); err != nil {
		return err
	}
	if err := syscall.Mount("proc", place, "proc", kernel.MS_NOSUID|kernel.MS_NODEV|kernel.MS_NOEXEC, ""); err != nil {
		return kernel.Wrap(err, "show its own processes")
	}
	return nil
}

// enter makes the tree the only one there is.
func (t *tree) enter() error {
	if err := syscall.Chdir(t.root); err != nil {
		return err
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return kernel.Wrap(err, "enter the tree")
	}
	if err := syscall.Unmount(".", kernel.MNT_DETACH); err != nil {
		return kernel.Wrap(err, "leave the machine's tree")
	}
	if err := syscall.Mount("", "/", "", kernel.MS_REMOUNT|kernel.MS_BIND|kernel.MS_RDONLY|kernel.MS_NOSUID|kernel.MS_NODEV, ""); err != nil {
		return kernel.Wrap(err, "lock the tree")
	}
	return syscall.Chdir("/")
}
