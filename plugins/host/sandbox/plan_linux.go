//go:build amd64 || arm64

package sandbox

import "encoding/json"

// plan is what the host tells the shim.
type plan struct {
	Level Level    `json:"level"`
	Argv  []string `json:"argv"`
	Env   []string `json:"env"`
	Dir   string   `json:"dir"` // the scratch directory, where it starts

	Root  string   `json:"root,omitempty"`  // strict: an empty directory on which the agent's own file tree is mounted
	Binds []string `json:"binds,omitempty"` // strict: what is seen of the machine, each once, none below another
	Rules []rule   `json:"rules"`
	UID   int      `json:"uid,omitempty"` // user and group to become; zero keeps
	Net   netMode  `json:"net"`
	Port  int      `json:"port,omitempty"` // of the proxy on the loopback, with netHosts

	Exec   bool             `json:"exec"` // any program that it may read
	Limits map[int][2]int64 `json:"limits"`
	Tasks  int64            `json:"tasks"` // processes and threads at a time
	Probe  bool             `json:"probe"` // end instead of becoming the agent
}

// netMode is what of the network there is.
type netMode int

const (
	netNone netMode = iota
	netHosts
	netAll
)

// rule gives rights on a file, or on a directory and all below.
type rule struct {
	Path   string `json:"path"`
	Rights uint64 `json:"rights"`
	Must   bool   `json:"must"` // that it is not there is an error
}

// message is what host and shim say to each other after the plan.
type message struct {
	Listener bool       `json:"listener,omitempty"` // comes with the descriptor of the listener
	Ready    bool       `json:"ready,omitempty"`    // all doors are closed
	Go       bool       `json:"go,omitempty"`       // from the host: become the agent
	Fault    *StepError `json:"fault,omitempty"`
}

// maxMessage bounds what is sent at once.
const maxMessage = 128 << 10

func encode(v any) ([]byte, error) { return json.Marshal(v) }

// proxyPort is where the proxy is inside a network of one's own.
const proxyPort = 3128

// controlFD is the shim's end of the socket to its host.
const controlFD = 3
