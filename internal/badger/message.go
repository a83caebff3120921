package badger

import (
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Message is what others send to a run.
type Message struct {
	Seq   uint64          // counts the messages of a run from 1
	Run   string          // the run or child run that it is for
	Kind  string          // signal, decision or cancel
	Name  string          // of the signal
	Addr  string          // of the approval that is decided
	Value runtime.Payload `json:",omitempty"`
	At    time.Time
	Token string // tells messages that are sent twice from two that are alike; the store fills it in
}
