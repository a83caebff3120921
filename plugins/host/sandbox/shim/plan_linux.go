//go:build amd64 || arm64

package shim

// Plan is what the host tells the shim.
type Plan struct {
	Level Level
	Argv  []string
	Env   []string
	Dir   string // the scratch directory, where it starts

	Root  string   // strict: an empty directory on which the agent's own file tree is mounted
	Binds []string // strict: what is seen of the machine, each once, none below another
	Rules []Rule
	UID   int // user and group to become; zero keeps
	Net   NetMode
	Port  int // of the proxy on the loopback, with NetHosts

	Limits []Limit
	Tasks  int64 // processes and threads at a time
	Probe  bool  // end instead of becoming the agent
}

// NetMode is what of the network there is.
type NetMode int

// Modes.
const (
	NetNone  NetMode = iota
	NetHosts         // through the proxy
	NetAll
)

// Rule gives rights on a file, or on a directory and all below.
type Rule struct {
	Path   string
	Rights uint64
	Must   bool // that it is not there is an error
}

// Limit is the most that a process may have of something, by the kernel's number for it.
type Limit struct {
	What int
	Most int64
}

// Message is what host and shim say to each other after the plan.
type Message struct {
	Listener bool // comes with the descriptor of the listener
	Ready    bool // all doors are closed
	Fault    *StepError
}

// MaxMessage bounds what is sent at once, in bytes.
const MaxMessage = 128 << 10

// ProxyPort is where the proxy is inside a network of one's own.
const ProxyPort = 3128

// controlFD is the shim's end of the socket to its host.
const controlFD = 3
