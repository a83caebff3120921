// Package market installs packages: patterns and agents that others published on GitHub or another git host.
//
// The way of a package: a Ref names it, the Client asks its host for tags and release assets, unpack writes its files beside the place where they
// belong and refuses whatever could reach out of it, the Cache keeps it read-only under the hash of its content, and the lock of the project
// says exactly which content that is. Packages then finds it again for patterns, without a network. Nothing of a package runs
// before its permissions were granted, and nothing of it is kept that did not fit its checksum.
package market

import (
	"context"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/origin"
)

// Market installs packages. Cache and Client are needed.
type Market struct {
	Cache    *Cache
	Client   *Client
	Platform string // os/arch of this machine
	Version  string // of this program, with a v; "" fits every package

	// Say tells a person what happens. Nil is silent.
	Say func(line string)
	// Consent asks whether an agent may have what it asks for, before anything of it runs. Nil grants it.
	Consent func(ctx context.Context, a Ask) error
	// Start starts an agent that was unpacked to dir, as a test. Its error undoes the installation. Nil believes it.
	Start func(ctx context.Context, dir string, m *manifest.Manifest) error
	// Index says what was published and what became of it. Nil knows nothing.
	Index *Indexes
	// Verifier says who built a package. Nil asks nobody.
	Verifier Verifier
	// RequireVerified refuses packages of which it is not known who built them.
	RequireVerified bool
	// TrustedRoot is a file that says whose word on builds is trusted. "" is sigstore's public service.
	TrustedRoot string

	remarks []string // that were said

	unchecked bool // it was told that origins are not
}

// Ask is what an agent asks for.
type Ask struct {
	Source  string
	Version string
	Wants   *manifest.Permissions // nil: nothing
	Had     *manifest.Permissions // what was granted to it before; nil when it is new, or nobody knows any more
	New     bool                  // it was not there before
	Origin  origin.Verdict        // whether it is known who built it
	Builder string                // who built it, when that is verified
}

// Protocol is the version of the agent protocol that this program speaks.
const Protocol = 1

func (m *Market) say(line string) {
	if m.Say != nil {
		m.Say(line)
	}
}
