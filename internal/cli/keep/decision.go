package keep

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// Who is the person at the keyboard, as records name them.
func Who(app *cli.App) string {
	for _, v := range []string{"USER", "LOGNAME", "USERNAME"} {
		if name := app.Getenv(v); name != "" {
			return name
		}
	}
	return "somebody"
}

// Object makes canonical JSON of fields.
func Object(fields map[string]string) (runtime.Payload, error) {
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(raw)
}

// SignalValue reads the value of a signal.
func SignalValue(name, text string) (runtime.Payload, error) {
	value, err := runtime.Canonical([]byte(text))
	if err != nil {
		return nil, cli.Usagef(`quote strings twice, as in '"text"'`, "the value of the signal %s is not JSON: %s", name, text)
	}
	return value, nil
}

// ListApprovals prints what a run waits for people to decide.
func ListApprovals(app *cli.App, run string, list []Waiting, asJSON bool) error {
	if asJSON {
		return cli.JSON(app, list)
	}
	if len(list) == 0 {
		fmt.Fprintf(app.Err, "run %s waits for nobody's decision\n", run)
		return nil
	}
	for _, w := range list {
		line := fmt.Sprintf("%s  %q  %s", w.Address, w.Title, strings.Join(clean(w.Options), " | "))
		if note := w.note(); note != "" {
			line += "  (" + note + ")"
		}
		fmt.Fprintln(app.Out, line)
	}
	return nil
}

// Decision is what somebody decides on the command line.
type Decision struct {
	Run     string
	Address string // "" where only one approval waits
	Choice  string
	Comment string
	Show    string // the command that shows the run
}

// Among finds the approval that is to be decided, sees to it that the choice is one of its options, and makes the outcome of it.
func (d Decision) Among(app *cli.App, list []Waiting) (Waiting, runtime.Payload, error) {
	w, err := d.meant(app.Name(), list)
	if err != nil {
		return w, nil, err
	}
	value, err := Object(map[string]string{"by": Who(app), "choice": d.Choice, "comment": d.Comment})
	return w, value, err
}

func (d Decision) meant(program string, list []Waiting) (Waiting, error) {
	if d.Address != "" {
		all := list
		list = slices.DeleteFunc(slices.Clone(all), func(w Waiting) bool { return w.Address != d.Address })
		if len(list) == 0 {
			return Waiting{}, cli.Usagef(waits(all), "run %s waits for nobody's decision at %s", d.Run, d.Address)
		}
	}
	if open := slices.DeleteFunc(slices.Clone(list), func(w Waiting) bool { return !w.open() }); len(open) > 0 {
		list = open
	}
	switch {
	case len(list) == 0:
		return Waiting{}, cli.Usagef(d.Show+" tells what it does", "run %s waits for nobody's decision", d.Run)
	case !list[0].open():
		return Waiting{}, list[0].refuse(d.Run)
	case len(list) > 1:
		return Waiting{}, cli.Usagef("give an address: "+program+" approve "+d.Run+" ADDRESS "+d.Choice, "run %s waits for several decisions: %s", d.Run, names(list))
	case !slices.Contains(list[0].Options, d.Choice):
		return Waiting{}, cli.Usagef("choose one of "+strings.Join(clean(list[0].Options), ", "), "%q is no option of %q", d.Choice, list[0].Title)
	}
	return list[0], nil
}

// waits lists what a run waits for.
func waits(list []Waiting) string {
	if len(list) == 0 {
		return "it waits for nobody's decision"
	}
	return "it waits for " + names(list)
}

func names(list []Waiting) string {
	parts := make([]string, len(list))
	for i, w := range list {
		parts[i] = fmt.Sprintf("%s %q", w.Address, w.Title)
	}
	return strings.Join(parts, ", ")
}

// clean shows options as they are where they are plain, and quoted where they could move the cursor or hide what they say.
func clean(options []string) []string {
	shown := make([]string, len(options))
	for i, o := range options {
		if shown[i] = o; strings.ContainsFunc(o, func(r rune) bool { return !unicode.IsPrint(r) }) {
			shown[i] = strconv.Quote(o)
		}
	}
	return shown
}
