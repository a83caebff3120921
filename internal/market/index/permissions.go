package index

import (
	"encoding/json"
	"slices"
	"strings"

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

// Equal says whether both ask for the same, however it is written. What cannot be read is equal to nothing.
func (p *Permissions) Equal(other *Permissions) bool {
	if p.Empty() || other.Empty() {
		return p.Empty() && other.Empty()
	}
	a, err := p.Manifest()
	b, wrong := other.Manifest()
	if err != nil || wrong != nil {
		return false
	}
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	return same(a.Net, b.Net) && same(a.Secrets, b.Secrets) && same(a.Read, b.Read) && same(a.Write, b.Write) && same(a.Exec, b.Exec) &&
		a.Memory == b.Memory && a.Sandbox == b.Sandbox
}

// Empty says whether nothing is asked for.
func (p *Permissions) Empty() bool {
	return p == nil || !slices.ContainsFunc(p.lists(), func(l permissionList) bool { return len(l.items) > 0 })
}

// String lists what is asked for.
func (p *Permissions) String() string {
	if p.Empty() {
		return "nothing"
	}
	var parts []string
	for _, l := range p.lists() {
		if len(l.items) > 0 {
			parts = append(parts, l.name+" "+strings.Join(l.items, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
