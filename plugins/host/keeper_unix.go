//go:build unix

package host

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// keeper is a shell that outlives a killed host for a moment. The kernel then kills the agents, but not their children, and
// nothing else is left to do that: the keeper kills the agents' groups, and what carries the host's mark, when its stdin ends. It
// looks for those until there are none, because one may start another while it is being looked for. Then it removes the host's
// temporary directories.
type keeper struct {
	cmd *exec.Cmd

	mu    sync.Mutex
	stdin io.WriteCloser
}

// keeperScript reads "+ PID" and "- PID" lines. Its arguments are the host's token and temporary directories.
const keeperScript = `
token=$1
shift
live=" "
while read -r op id; do
	case $op in
	+) live="$live$id " ;;
	-) case $live in *" $id "*) live="${live%% $id *} ${live#* $id }" ;; esac ;;
	esac
done
rounds=0
[ "$live" = " " ] && rounds=100
for id in $live; do kill -s KILL -- "-$id"; done 2>/dev/null
while [ $rounds -lt 100 ]; do
	marked=$(grep -ls "` + markName + `=$token[.]" /proc/[0-9]*/environ 2>/dev/null)
	[ -z "$marked" ] && break
	for environ in $marked; do
		pid=${environ#/proc/}
		kill -9 "${pid%/environ}"
	done 2>/dev/null
	rounds=$((rounds + 1))
done
rm -rf -- "$@"
`

func startKeeper(token string, dirs []string) (*keeper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeperScript, "parallax-keeper", token}, dirs...)...)
	cmd.Stdin = r
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("cannot start the keeper of agents: %w", err)
	}
	return &keeper{cmd: cmd, stdin: w}, nil
}

func (k *keeper) watch(pid int)  { k.say("+ ", pid) }
func (k *keeper) forget(pid int) { k.say("- ", pid) }

func (k *keeper) say(op string, pid int) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_, _ = fmt.Fprintf(k.stdin, "%s%d\n", op, pid) // without a keeper there is nobody to tell
}

func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.stdin.Close()
	if err := k.cmd.Wait(); err != nil {
		return fmt.Errorf("the keeper of agents: %w", err)
	}
	return nil
}
