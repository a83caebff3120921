package keep

import (
	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/manifest"
)

// Retention is what a project says of how long runs stay.
func Retention(m *manifest.Manifest) badger.Retention {
	return badger.Retention{MaxAge: m.State.KeepFor, MaxBytes: m.State.KeepBytes}
}
