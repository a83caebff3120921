package pattern

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parallax-run/parallax/runtime"
)

// stdPrefix starts the names of the standard modules. All other names are paths below the package root.
const stdPrefix = runtime.StandardModules

// maxLabel is how long a label may be, in bytes.
const maxLabel = 1024

// Codes of what may be wrong with a label or the file it means.
const (
	codeLabel      = "label"       // it is not a label
	codePackage    = "package"     // it names a package
	codeMissing    = "missing"     // there is no such file
	codeLink       = "link"        // there is a link on the way
	codeNotRegular = "not-regular" // a directory, device, pipe or socket
	codeTooLarge   = "too-large"
	codeUnreadable = "unreadable"
	codeSyntax     = "syntax"
)

// labelError says why a label means nothing.
type labelError struct {
	code     string
	message  string
	hint     string
	cause    error             // or nil
	findings []runtime.Finding // of a file that was found and is wrong
}

func badLabel(code, hint, format string, args ...any) *labelError {
	return &labelError{code: code, hint: hint, message: fmt.Sprintf(format, args...)}
}

func (e *labelError) Error() string { return e.message }

// notFound is the error as the script that asked for the label sees it.
func (e *labelError) notFound() *runtime.Error {
	return &runtime.Error{Code: runtime.NotFound, Message: e.message, Hint: e.hint, Cause: e.cause}
}

// resolve gives the name of the module that a label means in the module named from.
func (p *packages) resolve(from, label string) (string, *labelError) {
	space, inSpace := splitName(from)
	dir := path.Dir(inSpace)
	if len(label) > maxLabel {
		return "", badLabel(codeLabel, "", "the label is longer than %d bytes", maxLabel)
	}
	switch {
	case strings.HasPrefix(label, ":"):
		return named(space, dir, label, label[1:])
	case strings.HasPrefix(label, stdPrefix):
		return named(stdPrefix, "", label, label[len(stdPrefix):])
	case strings.HasPrefix(label, "@"):
		return p.foreign(space, label)
	case strings.HasPrefix(label, "//"):
		return named(space, "", label, label[2:])
	}
	return "", notALabel(label)
}

// named checks the path of a label and makes the module's name.
func named(space, dir, label, p string) (string, *labelError) {
	if bad := checkPath(label, p); bad != nil {
		return "", bad
	}
	return space + path.Join(dir, p), nil
}

func checkPath(label, p string) *labelError {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) {
		return badLabel(codeLabel, "", "the label %q has characters that no file name should have", label)
	}
	if strings.ContainsAny(p, `\:`) {
		return badLabel(codeLabel, "separate directories by '/'", "the label %q has a '\\' or ':' in its path", label)
	}
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "..":
			return badLabel(codeLabel, `write "//dir/file.star", seen from the package root`, "the label %q has a '..' in its path", label)
		case "", ".":
			return badLabel(codeLabel, "", "the label %q has an empty part or a '.' in its path", label)
		}
	}
	if !strings.HasSuffix(p, ".star") || path.Base(p) == ".star" {
		return badLabel(codeLabel, fmt.Sprintf("write %q", label+".star"), "the label %q does not end in .star", label)
	}
	return nil
}

// foreign resolves a label that names another package by an alias of this one.
func (p *packages) foreign(from, label string) (string, *labelError) {
	alias, inside, ok := strings.Cut(label, "//")
	if !ok && runtime.Nearest(alias, []string{"@std"}) == "" {
		return "", badLabel(codeLabel, fmt.Sprintf("write %q", alias+"//file.star"), "the label %q names no file of its package", label)
	}
	space, bad := p.space(from, label)
	if bad != nil {
		return "", bad
	}
	return named(space, "", label, inside)
}

func notALabel(label string) *labelError {
	hint := `write ":file.star" for a file beside this one, "//dir/file.star" from the package root, or "@std//file.star"`
	p := strings.TrimPrefix(label, "./")
	switch {
	case strings.HasPrefix(label, "/"):
		return badLabel(codeLabel, hint, "%q is an absolute path; a pattern only loads what is in its package", label)
	case strings.HasPrefix(label, "../"):
		return badLabel(codeLabel, hint, "%q leaves its directory", label)
	case checkPath(":"+p, p) == nil:
		hint = fmt.Sprintf("write %q", ":"+p)
	case checkPath(":"+p+".star", p+".star") == nil:
		hint = fmt.Sprintf("write %q", ":"+p+".star")
	}
	return badLabel(codeLabel, hint, "%q is not a label", label)
}
