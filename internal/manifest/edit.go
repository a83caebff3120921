package manifest

import (
	"fmt"
	"regexp"
	"strings"
)

// EditError says that a manifest could not be changed by a program.
type EditError struct {
	Path    string
	Message string
	Hint    string
}

func (e *EditError) Error() string { return e.Path + ": " + e.Message }

// SetDependency gives the text of a manifest with alias = value in [dependencies], "" for value removing it. All else stays as it is, comments
// included. The error is an *Error when the text is wrong, and an *EditError when the table is written in a way that is not known here.
func SetDependency(name string, text []byte, alias, value string) ([]byte, error) {
	before, err := Parse(name, text)
	if err != nil {
		return nil, err
	}
	edited := []byte(setLine(string(text), alias, value))
	after, err := Parse(name, edited)
	byHand := &EditError{Path: name, Message: "[dependencies] is written in a way that cannot be changed by a program", Hint: fmt.Sprintf("write it by hand: %s = %q", alias, value)}
	if value == "" {
		byHand.Hint = "remove " + alias + " from it by hand"
	}
	if err != nil {
		return nil, byHand
	}
	want := make(map[string]string)
	for _, d := range before.Dependencies {
		want[d.Alias] = d.Source + "@" + d.Version
	}
	if want[alias] = value; value == "" {
		delete(want, alias)
	}
	for _, d := range after.Dependencies {
		if want[d.Alias] != d.Source+"@"+d.Version {
			return nil, byHand
		}
		delete(want, d.Alias)
	}
	if len(want) > 0 {
		return nil, byHand
	}
	return edited, nil
}

var (
	anyTable          = lazily(`^\s*\[`)
	dependenciesTable = lazily(`^\s*\[\s*(dependencies|"dependencies"|'dependencies')\s*\]\s*(#.*)?$`)
)

// setLine changes one line of the table.
func setLine(text, alias, value string) string {
	line := ""
	if value != "" {
		line = fmt.Sprintf("%s = %q\n", alias, value)
	}
	key := regexp.MustCompile(`^(\s*)(` + regexp.QuoteMeta(alias) + `|"` + regexp.QuoteMeta(alias) + `")\s*=\s*["'][^"']*["'](\s*(#.*)?)$`)
	lines := strings.SplitAfter(text, "\n")
	inside, end, done := false, -1, false
	for i, l := range lines {
		bare := strings.TrimRight(l, "\r\n")
		switch {
		case dependenciesTable().MatchString(bare):
			inside, end = true, i
		case anyTable().MatchString(bare):
			inside = false
		case inside && key.MatchString(bare): // its comment stays, if it does
			comment := key.FindStringSubmatch(bare)[3]
			lines[i], done = strings.Replace(line, "\n", comment+"\n", 1), true
		case inside && strings.TrimSpace(bare) != "":
			end = i
		}
	}
	switch {
	case done || line == "":
		return strings.Join(lines, "")
	case end >= 0:
		if !strings.HasSuffix(lines[end], "\n") {
			lines[end] += "\n"
		}
		lines[end] += line
		return strings.Join(lines, "")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if text != "" {
		text += "\n"
	}
	return text + "[dependencies]\n" + line
}
