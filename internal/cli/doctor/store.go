package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/span"
	"github.com/parallax-run/parallax/internal/manifest"
)

// store says where runs are kept, how much there is, who has it open and whether it is whole.
func (o *Options) store(m *manifest.Manifest) finding {
	f := finding{What: "kept runs", State: fine}
	dir, err := o.Keep.Dir(o.App, m)
	if err != nil {
		return o.wrong(f, err)
	}
	if !keep.Exists(dir) {
		f.Detail = fmt.Sprintf("none in %s yet", dir)
		return f
	}
	f.Detail = fmt.Sprintf("%s, %s%s", dir, span.Text(badger.Size(dir)), formatOf(dir))
	check := badger.Check
	if o.Repair {
		check = badger.Repair
	}
	report, err := check(dir)
	switch {
	case errors.Is(err, badger.ErrInUse) && o.Repair:
		f.State, f.Hint = wrong, "end the other parallax processes, then run parallax doctor --repair again"
		f.Detail += o.owner(dir)
	case errors.Is(err, badger.ErrInUse):
		return o.inUse(f, dir)
	case err != nil:
		return o.wrong(f, err)
	default:
		o.health(&f, &report)
	}
	return f
}

func (o *Options) wrong(f finding, err error) finding {
	f.State = wrong
	for _, e := range cli.Explain(o.App.Dir, err) {
		f.Detail = strings.TrimPrefix(f.Detail+"\n"+e.What, "\n")
		f.Hint = e.Hint
	}
	return f
}

// health tells what a check or repair found.
func (o *Options) health(f *finding, r *badger.Report) {
	f.Detail += fmt.Sprintf(", %d run", r.Runs)
	if r.Runs != 1 {
		f.Detail += "s"
	}
	if r.Whole() {
		return
	}
	f.State, f.Hint = wrong, "parallax doctor --repair keeps the rest and puts what is damaged aside"
	if o.Keep.State != "" {
		f.Hint = strings.Replace(f.Hint, "--repair", "--repair --state "+o.Keep.State, 1)
	}
	if r.Aside != "" {
		f.State, f.Hint = note, "what was damaged is in "+r.Aside+"; it can be deleted"
		f.Detail += "; repaired"
	}
	for _, d := range r.Damages {
		f.Detail += fmt.Sprintf("\n%s: %s", d.Path, d.What)
	}
	for _, l := range r.Lost {
		f.Detail += fmt.Sprintf("\nrun %s: %s", l.Run, l.Why)
	}
}

// inUse asks the process that has the store open.
func (o *Options) inUse(f finding, dir string) finding {
	s, err := badger.Open(dir, badger.Options{Version: o.App.Version, ReadOnly: true, Patience: 5 * time.Second})
	if err != nil {
		return o.wrong(f, err)
	}
	defer s.Close()
	f.Detail += fmt.Sprintf(", in use by process %d", s.Owner())
	list, err := s.Records(badger.Filter{})
	if err != nil {
		return o.wrong(f, err)
	}
	r, err := s.Damage()
	if err != nil {
		return o.wrong(f, err)
	}
	if r == nil {
		r = &badger.Report{}
	}
	r.Runs = len(list)
	o.health(&f, r)
	return f
}

func (o *Options) owner(dir string) string {
	s, err := badger.Open(dir, badger.Options{Version: o.App.Version, ReadOnly: true, Patience: 5 * time.Second})
	if err != nil {
		return ", in use by another process"
	}
	defer s.Close()
	return fmt.Sprintf(", in use by process %d", s.Owner())
}

// formatOf is what the file version says.
func formatOf(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "version"))
	number, version, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if err != nil || !ok || strings.Trim(number, "0123456789") != "" {
		return ""
	}
	return fmt.Sprintf(", format %s, made by parallax %s", number, version)
}
