package keep

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/manifest"
)

// Retention is what a project says of how long runs stay, and answers for later calls.
func Retention(m *manifest.Manifest) badger.Retention {
	return badger.Retention{
		MaxAge: m.State.KeepFor, MaxBytes: m.State.KeepBytes,
		AnswerAge: cmp.Or(m.State.CacheFor, answersFor), AnswerBytes: cmp.Or(m.State.CacheBytes, answersBytes),
	}
}

// often is how long what a project does not keep any more may stay: collecting it takes time.
const often = 24 * time.Hour

// Tidy collects what a project does not keep any more, where that was not done within a day. A project that does not say how long runs stay
// keeps all of them, and is tidied only after runs that kept answers.
func Tidy(s *badger.Store, m *manifest.Manifest) error {
	policy := Retention(m)
	if policy.MaxAge == 0 && policy.MaxBytes == 0 && !s.KeptAnswers() {
		return nil
	}
	mark := filepath.Join(s.Dir(), "collected")
	info, err := os.Stat(mark)
	if err == nil && time.Since(info.ModTime()) < often || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known := err == nil
	if err := os.WriteFile(mark, nil, 0o600); err != nil { // first, so that others need not do it as well
		return err
	}
	if err := os.Chtimes(mark, time.Time{}, time.Now()); err != nil || !known {
		return err
	}
	_, err = s.GC(policy)
	return err
}
