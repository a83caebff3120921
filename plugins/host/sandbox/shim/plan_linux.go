//go:build amd64 || arm64

package shim

// Plan is what the host tells the shim.
type Plan struct {
	Level Level    `json:"level"`
	Argv  []string `json:"argv"`
	Env   []string `json:"env"`
	Dir   string   `json:"dir"` // the scratch directory, where it starts

	Root  string   `json:"root,omitempty"`  // strict: an empty directory on which the agent's own file tree is mounted
	Binds []string `json:"binds,omitempty"` // strict: what is seen of the machine, each once, none below another
	Rules []Rule   `json:"rules"`
	UID   int      `json:"uid,omitempty"` // user and group to become; zero keeps
	Net   NetMode  `json:"net"`
	Port  int      `json:"port,omitempty"` // of the proxy on the loopback, with NetHosts

	Exec   bool             `json:"exec"` // any program that it may read
	Limits map[int][2]int64 `json:"limits"`
	Tasks  int64            `json:"tasks"` // processes and threads at a time
	Probe  bool             `json:"probe"` // end instead of becoming the agent
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
	Path   string `json:"path"`
	Rights uint64 `json:"rights"`
	Must   bool   `json:"must"` // that it is not there is an error
}

// Message is what host and shim say to each other after the plan.
type Message struct {
	Listener bool       `json:"listener,omitempty"` // comes with the descriptor of the listener
	Ready    bool       `json:"ready,omitempty"`    // all doors are closed
	Fault    *StepError `json:"fault,omitempty"`
}

// MaxMessage bounds what is sent at once, in bytes.
const MaxMessage = 128 << 10

// ProxyPort is where the proxy is inside a network of one's own.
const ProxyPort = 3128

// controlFD is the shim's end of the socket to its host.
const controlFD = 3
