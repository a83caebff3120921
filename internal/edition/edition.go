// Package edition says what needs a Parallax server. The open edition names such a feature and the next step; it holds nothing back that
// it could do, and asks for no licence.
package edition

import "fmt"

// Feature is something that only a server can do.
type Feature string

// Features that need a server.
const (
	Server   Feature = "--server" // running on a server instead of here
	Login    Feature = "login"
	Deploy   Feature = "deploy"
	Schedule Feature = "schedule"
)

// ServerError says that a feature needs a server. Commands that end with it exit with code 7.
type ServerError struct {
	Feature Feature
	Does    string // what the feature does, in the words of a sentence
	Instead string // what works without a server, or ""
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("%s needs a Parallax server: %s", e.Feature, e.Does)
}

// Hint is the next step.
func (e *ServerError) Hint() string {
	if e.Instead == "" {
		return "start parallaxd, then name it with --server URL"
	}
	return e.Instead
}

// NeedsServer gives the *ServerError of a feature.
func NeedsServer(f Feature) error {
	switch f {
	case Server:
		return &ServerError{f, "it hands the run to the server's workers", "without --server the run happens on this machine"}
	case Login:
		return &ServerError{f, "it signs you in there", "nothing on this machine needs an account"}
	case Deploy:
		return &ServerError{f, "it stores a pattern there for others to run", "run the pattern here with: parallax run"}
	case Schedule:
		return &ServerError{f, "it runs a pattern there at set times", "for now call parallax run from cron or a systemd timer"}
	}
	return &ServerError{Feature: f, Does: "this machine cannot do it alone"}
}
