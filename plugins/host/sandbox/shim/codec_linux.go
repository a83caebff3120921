//go:build amd64 || arm64

package shim

import "errors"

// What host and shim send each other has a form of its own: numbers of eight bytes, and texts after their length. They are two halves of
// one executable, and packages that know better forms take longer to be set up than the shim runs.

// pen writes.
type pen []byte

func (w *pen) number(n int64) {
	for shift := 0; shift < 64; shift += 8 {
		*w = append(*w, byte(n>>shift))
	}
}

func (w *pen) truth(b bool) {
	if b {
		w.number(1)
	} else {
		w.number(0)
	}
}

func (w *pen) text(s string) {
	w.number(int64(len(s)))
	*w = append(*w, s...)
}

func (w *pen) texts(list []string) {
	w.number(int64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

// eye reads what a pen wrote. After an error it reads nothing.
type eye struct {
	b   []byte
	err error
}

var errGarbled = errors.New("the message is garbled")

func (r *eye) number() (n int64) {
	if len(r.b) < 8 {
		r.b, r.err = nil, errGarbled
		return 0
	}
	for i := range 8 {
		n |= int64(r.b[i]) << (8 * i)
	}
	r.b = r.b[8:]
	return n
}

func (r *eye) truth() bool { return r.number() != 0 }

// count is the number of things that follow, each of which has eight bytes at least.
func (r *eye) count() int {
	n := r.number()
	if n < 0 || n > int64(len(r.b)/8) {
		r.b, r.err = nil, errGarbled
		return 0
	}
	return int(n)
}

func (r *eye) text() string {
	n := r.number()
	if n < 0 || n > int64(len(r.b)) {
		r.b, r.err = nil, errGarbled
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *eye) texts() []string {
	list := make([]string, r.count())
	for i := range list {
		list[i] = r.text()
	}
	return list
}

// end says whether all was read, and no more.
func (r *eye) end() error {
	if r.err == nil && len(r.b) > 0 {
		return errGarbled
	}
	return r.err
}

// Encode gives the bytes of a plan.
func (p *Plan) Encode() []byte {
	var w pen
	w.number(int64(p.Level))
	w.texts(p.Argv)
	w.texts(p.Env)
	w.text(p.Dir)
	w.text(p.Root)
	w.texts(p.Binds)
	w.number(int64(len(p.Rules)))
	for _, r := range p.Rules {
		w.text(r.Path)
		w.number(int64(r.Rights))
		w.truth(r.Must)
	}
	for _, n := range []int64{int64(p.UID), int64(p.Net), int64(p.Port), p.Tasks, int64(len(p.Limits))} {
		w.number(n)
	}
	for _, l := range p.Limits {
		w.number(int64(l.What))
		w.number(l.Most)
	}
	w.truth(p.Probe)
	return w
}

// Decode reads what Encode wrote.
func (p *Plan) Decode(b []byte) error {
	r := eye{b: b}
	p.Level, p.Argv, p.Env = Level(r.number()), r.texts(), r.texts()
	p.Dir, p.Root, p.Binds = r.text(), r.text(), r.texts()
	p.Rules = make([]Rule, r.count())
	for i := range p.Rules {
		p.Rules[i] = Rule{Path: r.text(), Rights: uint64(r.number()), Must: r.truth()}
	}
	p.UID, p.Net, p.Port, p.Tasks = int(r.number()), NetMode(r.number()), int(r.number()), r.number()
	p.Limits = make([]Limit, r.count())
	for i := range p.Limits {
		p.Limits[i] = Limit{What: int(r.number()), Most: r.number()}
	}
	p.Probe = r.truth()
	return r.end()
}

// Encode gives the bytes of a message.
func (m *Message) Encode() []byte {
	var w pen
	w.truth(m.Listener)
	w.truth(m.Ready)
	w.truth(m.Fault != nil)
	if m.Fault != nil {
		w.text(m.Fault.Step)
		w.text(m.Fault.Err)
		w.truth(m.Fault.Absent)
	}
	return w
}

// Decode reads what Encode wrote.
func (m *Message) Decode(b []byte) error {
	r := eye{b: b}
	m.Listener, m.Ready = r.truth(), r.truth()
	if r.truth() {
		m.Fault = &StepError{Step: r.text(), Err: r.text(), Absent: r.truth()}
	}
	return r.end()
}
