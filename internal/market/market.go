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
	// Verifier says who vouches for a package. Nil asks nobody.
	Verifier Verifier

	remarks []string // that were said
}

// Verifier checks where a package comes from.
type Verifier interface {
	// Verify gives the identity that vouches for a package, "" when nobody does. An error refuses the package.
	Verify(ctx context.Context, c Claim) (signer string, err error)
}

// Claim is what a package says of its origin.
type Claim struct {
	Source  string // github.com/owner/repo
	Version string
	Commit  string
	Digest  string // of the file that was downloaded: "sha256:" and hex
}

// Ask is what an agent asks for.
type Ask struct {
	Source  string
	Version string
	Wants   *manifest.Permissions // nil: nothing
	Had     *manifest.Permissions // what was granted to it before; nil when it is new, or nobody knows any more
	New     bool                  // it was not there before
}

// Protocol is the version of the agent protocol that this program speaks.
const Protocol = 1

func (m *Market) say(line string) {
	if m.Say != nil {
		m.Say(line)
	}
}
