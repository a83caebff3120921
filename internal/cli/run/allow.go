package run

import (
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/plugins/host"
)

// Allow is what the command line grants to all sandboxed agents for one run.
type Allow struct {
	Grants manifest.Permissions
	All    bool // nobody is sandboxed
}

// Flags adds the flags.
func (a *Allow) Flags(f *pflag.FlagSet) {
	g := &a.Grants
	f.StringSliceVar(&g.Net, "allow-net", nil, "let sandboxed agents reach `hosts`, such as api.example.com:443; without a value all")
	f.StringSliceVar(&g.Read, "allow-read", nil, "let sandboxed agents read `paths`")
	f.StringSliceVar(&g.Write, "allow-write", nil, "let sandboxed agents write `paths`")
	f.StringSliceVar(&g.Exec, "allow-exec", nil, "let sandboxed agents run `programs`; without a value all")
	f.StringSliceVar(&g.Secrets, "allow-secret", nil, "let sandboxed agents have the values of environment `variables`")
	f.BoolVarP(&a.All, "allow-all", "A", false, "start all agents without a sandbox")
	f.Lookup("allow-net").NoOptDefVal = "*"
	f.Lookup("allow-exec").NoOptDefVal = "*"
}

// AllowFlags are their names.
func AllowFlags() []string {
	return []string{"allow-net", "allow-read", "allow-write", "allow-exec", "allow-secret", "allow-all"}
}

// widen grants it to agents, seen from a directory.
func (a *Allow) widen(agents []host.AgentConfig, dir string) {
	grants := a.Grants
	grants.Read, grants.Write = absolute(dir, grants.Read), absolute(dir, grants.Write)
	more := project.Policy(&grants)
	for i := range agents {
		switch {
		case a.All:
			agents[i].Policy = nil
		case agents[i].Policy != nil:
			agents[i].Policy.Widen(*more)
		}
	}
}

func absolute(dir string, paths []string) []string {
	list := make([]string, len(paths))
	for i, p := range paths {
		if list[i] = filepath.Clean(p); !filepath.IsAbs(p) {
			list[i] = filepath.Join(dir, p)
		}
	}
	return list
}
