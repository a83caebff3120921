package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

const writers = 256

// BenchmarkAppend has 256 writers each wait for its fact to be on the disk, in the store and in a plain file that is written and synced for
// all that wait, and gives the ratio. It says nothing unless both use the disk at about the same time, so they take turns.
func BenchmarkAppend(b *testing.B) {
	dir := os.Getenv("STORE_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	s, err := Open(filepath.Join(dir, "store"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(Record{ID: "r", Status: Running}); err != nil {
		b.Fatal(err)
	}
	l, err := s.Lease("r")
	if err != nil {
		b.Fatal(err)
	}
	plain := newPlain(b, filepath.Join(dir, "plain"))
	var took [2]time.Duration
	n := 0
	outcome := runtime.Payload(fmt.Sprintf("%q", make([]byte, 30)))
	for b.Loop() {
		n++
		turn := n
		took[0] += together(func(w, k int) error {
			return l.Append("r", done(fmt.Sprintf("1.%d", w), turn*20+k, string(outcome)))
		})
		took[1] += together(func(w, k int) error {
			f := done(fmt.Sprintf("1.%d", w), turn*20+k, string(outcome))
			return plain.append(f.Encode())
		})
	}
	plain.close()
	per := float64(n * writers * 20)
	b.ReportMetric(per/took[0].Seconds(), "facts/s")
	b.ReportMetric(per/took[1].Seconds(), "plain/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
}

// together lets all writers write 20 times.
func together(do func(w, k int) error) time.Duration {
	begin := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for k := range 20 {
				if err := do(w, k); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// plain is a file to which one goroutine appends what all writers wait for, with one sync.
type plain struct {
	f    *os.File
	in   queue[line]
	done sync.WaitGroup
}

type line struct {
	text []byte
	done chan error
}

func newPlain(tb testing.TB, name string) *plain {
	tb.Helper()
	f, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	p := &plain{f: f}
	p.done.Go(func() {
		var spare []line
		var buf []byte
		for {
			lines := p.in.take(spare)
			if len(lines) == 0 {
				return
			}
			buf = buf[:0]
			for _, l := range lines {
				buf = append(buf, l.text...)
			}
			_, err := f.Write(buf)
			if err == nil {
				err = f.Sync()
			}
			for _, l := range lines {
				l.done <- err
			}
			spare = lines
		}
	})
	return p
}

func (p *plain) append(text []byte) error {
	l := line{text, make(chan error, 1)}
	p.in.push(l)
	return <-l.done
}

func (p *plain) close() {
	p.in.close()
	p.done.Wait()
	p.f.Close()
}
