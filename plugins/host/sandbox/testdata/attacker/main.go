//go:build linux

// Command attacker is an agent that tries to get out of its sandbox. Each attempt runs in a process of its own; what each came to is
// printed as JSON. It is built by the tests, without cgo.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// target is what the test has prepared outside.
type target struct {
	Secret    string `json:"secret"`  // a file that anybody may read, and that was not granted
	Scratch   string `json:"scratch"` // a file of another agent
	Open      string `json:"open"`    // a directory that anybody may write to
	Granted   string `json:"granted"` // a directory that may be read
	Host      int    `json:"host"`    // process
	TCP4      int    `json:"tcp4"`    // ports on the loopback that answer
	TCP6      int    `json:"tcp6"`
	UDP       int    `json:"udp"`
	Abstract  string `json:"abstract"` // sockets of the machine that answer
	Path      string `json:"path"`
	Datagrams string `json:"datagrams"`
	Memory    int64  `json:"memory"` // the limit, bytes
}

// outcome is what an attempt came to.
type outcome struct {
	Open bool   `json:"open"` // it succeeded
	Why  string `json:"why"`
}

// attempt does something forbidden and says what it has got, or why it failed.
type attempt func(t *target) (string, error)

// The signal for the death of a parent belongs to a thread, and the host's shim has asked for it on this one.
func init() { goruntime.LockOSThread() } //nolint:gochecknoinits // main may not be on the first thread otherwise

func main() {
	if len(os.Args) < 2 {
		fatal(errors.New("say what to attempt"))
	}
	if os.Args[1] == "all" {
		all(os.Args[2:])
		return
	}
	switch os.Args[1] {
	case "daemon":
		daemon(os.Args[2:])
	case "start":
		if _, err := start(os.Args[2]); err != nil {
			fmt.Print(err)
		}
	case "fetch":
		fetchAll(os.Args[2:])
	case "linger":
		daemonize(os.Args[2])
		fmt.Println("there")
		select {}
	default:
		one(os.Args[1])
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "attacker:", err)
	os.Exit(1)
}

func fetch() *target {
	var t target
	if err := json.Unmarshal([]byte(os.Getenv("ATTACK")), &t); err != nil {
		fatal(err)
	}
	return &t
}

// one makes a single attempt.
func one(name string) {
	if name == "hello" {
		return
	}
	if name == "most memory" {
		hold(fetch().Memory / 3 * 2)
		return
	}
	try, ok := attempts()[name]
	if !ok {
		fatal(fmt.Errorf("there is no attempt %q", name))
	}
	got, err := try(fetch())
	if err != nil {
		fmt.Print("stopped: ", err)
		os.Exit(3)
	}
	fmt.Print("open: ", got)
}

// all makes each attempt in a process of its own.
func all(only []string) {
	leaked := inherited()
	results := make(map[string]outcome)
	for name := range attempts() {
		// The bomb hits others of the same user too, so that it is thrown by name only.
		if len(only) == 0 && name != "fork bomb" || contains(only, name) {
			results[name] = run(name)
		}
	}
	results["inherited descriptor"], results["live without its host"] = leaked, immortal()
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		fatal(err)
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func run(name string) outcome {
	cmd := exec.Command(os.Args[0], name)
	timer := time.AfterFunc(20*time.Second, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	defer timer.Stop()
	out, err := cmd.Output()
	text := string(out)
	if strings.HasPrefix(text, "open: ") {
		return outcome{true, text}
	}
	if text == "" && err != nil {
		text = err.Error()
		if e, ok := err.(*exec.ExitError); ok && len(e.Stderr) > 0 && !e.Sys().(syscall.WaitStatus).Signaled() {
			text += ": " + first(string(e.Stderr))
		}
	}
	return outcome{false, text}
}

func first(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// inherited looks for a plain file that was open when the agent began.
func inherited() outcome {
	for fd := 20; fd < 64; fd++ { // the runtime has opened files of its own below
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG {
			return outcome{true, fmt.Sprintf("open: descriptor %d", fd)}
		}
	}
	return outcome{false, "stopped: there is none"}
}

// hold keeps memory until its parent has enough.
func hold(bytes int64) {
	if _, err := syscall.Mmap(-1, 0, int(bytes), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON); err != nil {
		fatal(err)
	}
	fmt.Print("held")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// immortal asks whether this process, which the host started, would go on without it.
func immortal() outcome {
	var sig int32
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, syscall.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0, 0)
	if errno != 0 || sig != int32(syscall.SIGKILL) {
		return outcome{true, fmt.Sprint("open: signal ", sig)}
	}
	return outcome{false, "stopped: it would be killed"}
}

// fetchAll asks for URLs as any program would, "$NAME" being a variable, and prints how each was answered.
func fetchAll(urls []string) {
	proxy, err := neturl.Parse(os.Getenv("HTTP_PROXY"))
	if err != nil {
		fatal(err)
	}
	// Programs do not take a proxy to the loopback of their own accord.
	client := &http.Client{Transport: &http.Transport{Proxy: func(r *http.Request) (*neturl.URL, error) {
		if proxy.Host == "" || r.URL.Host == proxy.Host {
			return nil, nil
		}
		return proxy, nil
	}}}
	for _, url := range urls {
		resp, err := client.Get(os.ExpandEnv(url))
		if err != nil {
			fmt.Println("failed:", err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(resp.StatusCode, strings.TrimSpace(string(body)))
	}
}
