// Package span has flags for times and sizes that are large: days and gigabytes.
package span

import (
	"errors"
	"time"

	"github.com/parallax-run/parallax/internal/manifest"
)

// Value is a time as a flag: 90s, 24h, 30d or 2w.
type Value time.Duration

// Set implements pflag.Value.
func (v *Value) Set(s string) error {
	d, ok := manifest.Span(s)
	if !ok {
		return errors.New("give a time such as 90s, 24h, 30d or 2w")
	}
	*v = Value(d)
	return nil
}

func (v *Value) String() string {
	if *v == 0 {
		return ""
	}
	return time.Duration(*v).String()
}

// Type implements pflag.Value.
func (*Value) Type() string { return "time" }

// Bytes is a size as a flag: 500MB or 1GiB.
type Bytes int64

// Set implements pflag.Value.
func (b *Bytes) Set(s string) error {
	n, ok := manifest.Size(s)
	if !ok {
		return errors.New("give a size such as 500MB or 1GiB")
	}
	*b = Bytes(n)
	return nil
}

func (b *Bytes) String() string {
	if *b == 0 {
		return ""
	}
	return Text(int64(*b))
}

// Type implements pflag.Value.
func (*Bytes) Type() string { return "size" }

// Duration is the time.
func (v *Value) Duration() time.Duration { return time.Duration(*v) }
