package badger

// change is a key that was written.
type change struct{ Key, Value []byte }

// hub tells those who watch what was written.
type hub struct{}

func (h *hub) watched() bool      { return false }
func (h *hub) publish(_ []change) {}
func (h *hub) close()             {}
