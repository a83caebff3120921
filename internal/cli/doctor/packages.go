package doctor

import (
	"fmt"

	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
)

// packages reads every file of the project's packages again. A project without packages has nothing to say about them.
func (o *Options) packages(m *manifest.Manifest) []finding {
	lock, err := project.Lock(m.Dir)
	if err != nil {
		return []finding{{"packages", wrong, err.Error(), "take the committed parallax.lock back, or remove it and run parallax install"}}
	}
	if lock == nil {
		if len(m.Dependencies) > 0 {
			return []finding{{"packages", wrong, "there is no " + manifest.LockName, "parallax install"}}
		}
		return nil
	}
	cache, err := project.Cache(o.App)
	if err != nil {
		return []finding{{"packages", wrong, err.Error(), ""}}
	}
	var found []finding
	for _, p := range lock.Packages {
		if err := cache.Look(p, project.Platform(), true); err != nil {
			found = append(found, finding{"package " + p.Source + " " + p.Version, wrong, err.Error(), "parallax install"})
		}
	}
	if len(found) == 0 {
		found = append(found, finding{"packages", fine, fmt.Sprintf("%d installed, as %s says", len(lock.Packages), manifest.LockName), ""})
	}
	vacant, err := project.Vacant(o.App, m)
	if err != nil {
		return append(found, finding{"roles", wrong, err.Error(), ""})
	}
	for _, v := range vacant {
		found = append(found, finding{"roles", note, v.Message, v.Hint})
	}
	return found
}
