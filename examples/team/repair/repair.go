// Package repair is what the agents of this example share: the words they exchange, small changes to Go source, and a bench on which a
// copy of a package is tried.
//
// The method is to generate and validate: a bug of one wrong operator, constant or bound is one small change away from the right program, so all
// such changes are tried where the failing tests point, until one satisfies the tests (Debroy and Wong, Using mutation to automatically
// suggest fixes for faulty programs, 2010).
package repair

import (
	"path/filepath"
)

// Finding is a place that deserves a look.
type Finding struct {
	File      string  `json:"file"` // its base name
	Function  string  `json:"function"`
	Line      int     `json:"line"` // 1-based
	EndLine   int     `json:"end_line"`
	Suspicion float64 `json:"suspicion"` // 0 to 1
	Message   string  `json:"message"`
}

// Review is what a reviewer says of a package.
type Review struct {
	Passing  int       `json:"passing"` // how many tests pass
	Failing  []string  `json:"failing"` // the tests that fail
	Findings []Finding `json:"findings"`
}

// Repair is a proposal: the whole text of one file.
type Repair struct {
	File   string `json:"file"`
	Source string `json:"source"`
	Note   string `json:"note"` // what was changed
}

// Job is what somebody who mends is given. Work and Reasons are there from the second time on.
type Job struct {
	Path    string   `json:"path"`
	Review  Review   `json:"review"`
	Work    *Repair  `json:"work,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

// Within makes a relative path one below an agent's directory.
func Within(workdir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(workdir, path)
}
