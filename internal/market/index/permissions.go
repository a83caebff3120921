package index

import (
	"encoding/json"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Permissions is what an agent asks for, as [permissions] of its parallax.toml says it: paths stay relative to the project that uses it.
type Permissions struct {
	Net     []string `json:"net,omitempty"`
	Secrets []string `json:"secrets,omitempty"`
	Read    []string `json:"read,omitempty"`
	Write   []string `json:"write,omitempty"`
	Exec    []string `json:"exec,omitempty"`
	Memory  string   `json:"memory,omitempty"` // 512MiB, or a number of bytes
	Sandbox string   `json:"sandbox,omitempty"`
}

// PermissionsOf reads the table [permissions] as a manifest gives it, manifest.Published.Asks; it may be nil.
func PermissionsOf(asks []byte) (*Permissions, error) {
	if len(asks) == 0 {
		return nil, nil
	}
	var raw struct {
		Permissions
		Memory any `json:"memory"`
	}
	if err := json.Unmarshal(asks, &raw); err != nil {
		return nil, err
	}
	switch m := raw.Memory.(type) {
	case string:
		raw.Permissions.Memory = m
	case float64:
		n, err := json.Marshal(int64(m))
		if err != nil {
			return nil, err
		}
		raw.Permissions.Memory = string(n)
	}
	return &raw.Permissions, nil
}

// Workspace stands for the folder of the project in paths of Permissions.
const Workspace = "$WORKSPACE"

// Manifest gives the permissions as a manifest has them, with Workspace in place of the project's folder. Nil gives nil.
func (p *Permissions) Manifest() (*manifest.Permissions, error) {
	if p == nil {
		return nil, nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return manifest.ParsePermissions(text, Workspace)
}
