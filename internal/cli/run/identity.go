package run

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
)

// Identify gives the run a name and a seed where the command line gives none.
func (o *Options) Identify() error {
	if o.ID == "" {
		o.ID = newID(time.Now())
	} else if badger.CheckID(o.ID) != nil {
		return cli.Usagef("use up to 64 letters, digits, '.', '_' and '-'", "--id %q cannot be the name of a run", o.ID)
	}
	if !o.Seeded {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		o.Seed = binary.BigEndian.Uint64(b[:]) >> 11
	}
	return nil
}

// newID makes a name that sorts by time: 20060102-150405-xxxxxx.
func newID(now time.Time) string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102-150405-") + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:6]
}
