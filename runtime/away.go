package runtime

import "go.starlark.net/starlark"

// Away is a program that is interpreted out of this process, and what is known of it here.
type Away struct {
	Meta   Meta
	Asks   []Mention
	Params []Param
	More   bool // main takes inputs of other names, too
	Doc    string

	// Run is Program.Run, there. The inputs fit main.
	Run func(fx Effects, inputs Payload, cfg Config) (Payload, error)
}

// Program makes the program of a load graph, given as for Compile, that a runs. Its digest is that of the same graph compiled here.
func (a *Away) Program(files []*File, env Environment) *Program {
	last := files[len(files)-1]
	return &Program{
		Name: last.Name, Digest: digest(files, env.guarded().NamesFor(last.Name)), Meta: a.Meta, Asks: a.Asks, away: a,
	}
}

// Away tells of a program what one that is interpreted elsewhere has to know here. Run is left out.
func (p *Program) Away() *Away {
	return &Away{Meta: p.Meta, Asks: p.Asks, Params: p.Params(), More: p.more(), Doc: p.Doc()}
}

// Abandoner is an Effects whose run can be ended from outside of its script, because nobody is left who interprets it. What happens then is
// no decision of the script's, and is not recorded as one.
type Abandoner interface{ Abandon(why error) }

// more says whether main takes inputs of other names than its parameters'.
func (p *Program) more() bool {
	if p.away != nil {
		return p.away.More
	}
	return p.main.HasKwargs()
}

// Described is the value of a default that is only known by what it is and looks like.
type Described struct{ Kind, Text string }

func (d Described) String() string        { return d.Text }
func (d Described) Type() string          { return d.Kind }
func (d Described) Freeze()               {}
func (d Described) Truth() starlark.Bool  { return true }
func (d Described) Hash() (uint32, error) { return starlark.String(d.Text).Hash() }
