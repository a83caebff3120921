package badger

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Record is what is known of a run beside its facts. Times are UTC.
type Record struct {
	ID, Parent    string            // child runs are called parent/address
	Origin, From  string            `json:",omitempty"` // of a run that took over what came before an address in another: that run, and the address
	Pattern, Name string            // the path as given; the main file below the package root
	Digest        string            // of the load graph
	ABI, Version  string            // of the language; of the program
	Sources       map[string]string // file name to digest of its text among the blobs
	Root          string            // package root at the time, for people and for agents' directories; "" when the run came from elsewhere
	Inputs        runtime.Payload
	Seed          uint64
	Limits        runtime.Limits
	Budget        runtime.BudgetLimits
	Manifest      string // path of parallax.toml, or "" where there was none or the run came from elsewhere
	Started       time.Time
	Ended         time.Time
	Status        Status
	Result        runtime.Payload
	Error         *runtime.Error
	Why           string // it was suspended
	Damaged       string `json:",omitempty"` // why some of what was kept of it is lost, or may be: its store was repaired
	Usage         runtime.Usage
	Calls         int
	Fence         uint64 // how often somebody took the run to go on with it
	Holder        int    // process id of the living holder, or 0; known of records that are read
	ending        bool   // it ends when its texts have been put: gc spares those that were put later
	Facts         int    // how many it had kept when it ended, with its child runs, those kept twice counted twice
}

// Status says how a run stands.
type Status string

// Statuses. A run that is Running without a living holder is read as Lost: it can be resumed.
const (
	Running   Status = "running"
	Suspended Status = "suspended"
	Done      Status = "done"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
	Lost      Status = "lost"
)

// Final says that a run with the status does not go on by itself or when it is resumed.
func (s Status) Final() bool { return s == Done || s == Failed || s == Cancelled }

// Filter says which records are wanted. A zero field wants all.
type Filter struct {
	Pattern string // glob over Pattern or Name, or over their last element
	Status  Status
	Since   time.Time // started then or later
	Limit   int
	Parent  string // children of this run; "" wants those that are nobody's child
}

// wants says whether a record passes the filter.
func (f *Filter) wants(r *Record) bool {
	return r.Parent == f.Parent && (f.Status == "" || r.Status == f.Status) && !r.Started.Before(f.Since) &&
		(f.Pattern == "" || slices.ContainsFunc([]string{r.Pattern, r.Name, path.Base(r.Pattern), path.Base(r.Name)}, f.matches))
}

func (f *Filter) matches(name string) bool {
	ok, err := path.Match(f.Pattern, name)
	return ok && err == nil
}

func (f *Filter) check() error {
	if _, err := path.Match(f.Pattern, ""); err != nil {
		return fmt.Errorf("pattern %q: %w", f.Pattern, err)
	}
	return nil
}

// kept is a record as it is stored: large strings of its payloads are blobs.
type kept struct {
	Record
	Inputs, Result []byte
}

// encode gives a record as it is stored, and the blobs that it needs.
func (r *Record) encode(b *blobs) (value []byte, needs []string, err error) {
	k := kept{Record: *r}
	k.Holder = 0
	k.Started, k.Ended = r.Started.UTC(), r.Ended.UTC()
	if r.Error != nil {
		told := *r.Error
		told.Cause = nil
		k.Error = &told
	}
	for name, digest := range r.Sources {
		if !isDigest(digest) {
			return nil, nil, fmt.Errorf("the source %s has %q, which is no digest of a text", name, digest)
		}
		needs = append(needs, digest)
	}
	slices.Sort(needs)
	if k.Inputs, err = b.fold(r.Inputs, &needs); err != nil {
		return nil, nil, err
	}
	if k.Result, err = b.fold(r.Result, &needs); err != nil {
		return nil, nil, err
	}
	if r.ending {
		k.Ended = now()
	}
	if value, err = json.Marshal(k); err != nil {
		return nil, nil, err
	}
	value, err = b.whole(value, &needs)
	return value, needs, err
}

// decodeRecord reads a record. Payloads that are kept as blobs stay away when it is to be brief.
func decodeRecord(value []byte, b *blobs, brief bool) (Record, error) {
	value, err := b.unfold(value)
	if err != nil {
		return Record{}, err
	}
	var k kept
	if err := json.Unmarshal(value, &k); err != nil {
		return Record{}, fmt.Errorf("a record in the store cannot be read: %w", err)
	}
	r := k.Record
	if r.Error != nil && string(r.Error.Details) == "null" {
		r.Error.Details = nil
	}
	if !brief {
		if _, err := b.measure(k.Inputs, k.Result); err != nil {
			return r, fmt.Errorf("run %s: %w", r.ID, err)
		}
	}
	for _, p := range []struct {
		to   *runtime.Payload
		from []byte
	}{{&r.Inputs, k.Inputs}, {&r.Result, k.Result}} {
		if !folded(p.from) {
			*p.to = p.from
		} else if !brief {
			whole, err := b.unfold(p.from)
			if err != nil {
				return r, fmt.Errorf("run %s: %w", r.ID, err)
			}
			*p.to = whole
		}
	}
	return r, nil
}
