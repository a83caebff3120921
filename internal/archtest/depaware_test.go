package archtest

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A dependency that comes into a binary is a line in a diff that somebody reads.
func TestBinariesLinkWhatTheirListSays(t *testing.T) {
	t.Parallel()
	commands, err := filepath.Glob(filepath.Join(repository, "cmd", "*", "main.go"))
	require.NoError(t, err)
	for _, main := range commands {
		dir := filepath.Dir(main)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			linked := linkedModules(t, dir)
			require.NotEmpty(t, linked)
			name := filepath.Join(dir, "depaware.txt")
			if *update {
				require.NoError(t, os.WriteFile(name, []byte(linked), 0o644))
				return
			}
			listed, err := os.ReadFile(name)
			require.NoError(t, err, "run make deps")
			require.Equal(t, string(listed), linked, "what %s links has changed; if that is meant, run make deps and read its diff", dir)
		})
	}
}

// Were the rule about rooms to miss a way, what is linked would show it.
func TestNothingOpenLinksTheEnterpriseEdition(t *testing.T) {
	t.Parallel()
	var opened, shut []string
	for _, p := range packages(t) {
		dir := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
		if closed(dir) {
			shut = append(shut, p)
		} else {
			opened = append(opened, p)
		}
	}
	require.Contains(t, opened, module+"/cmd/parallax")
	require.Empty(t, enterpriseOnly(t, opened))
	if len(shut) > 0 { // else this is the open edition alone
		require.NotEmpty(t, enterpriseOnly(t, shut))
	}
}

// What a shim imports imports nothing late either.
func TestShimsLinkNothingThatIsSetUpLate(t *testing.T) {
	t.Parallel()
	for _, f := range shims {
		linked := strings.Fields(golist(t, repository, "-deps", "./"+f.Path))
		require.Contains(t, linked, "syscall")
		late := slices.DeleteFunc(linked, func(p string) bool {
			return !slices.ContainsFunc(f.Without, func(late string) bool { return within(p, late) })
		})
		require.Empty(t, late, "%s links them", f.Path)
	}
}

// packages lists the packages of the module at the root.
func packages(t *testing.T) []string {
	t.Helper()
	return strings.Fields(golist(t, repository, "-f", "{{.ImportPath}}", "./..."))
}

// enterpriseOnly lists what some packages link that nothing open may.
func enterpriseOnly(t *testing.T, of []string) []string {
	t.Helper()
	all := strings.Fields(golist(t, repository, append([]string{"-deps"}, of...)...))
	return slices.DeleteFunc(all, func(p string) bool {
		return !within(p, "go.temporal.io") && !within(p, module+"/"+enterprise)
	})
}

// golist gives what go list says in a folder, of Linux.
func golist(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	return string(out)
}

// linkedModules lists the modules of other people that the command in dir links on Linux, one a line, without versions.
func linkedModules(t *testing.T, dir string) string {
	t.Helper()
	_, err := os.ReadFile(filepath.Join(repository, "go.mod")) // so that a cached result does not outlive it
	require.NoError(t, err)
	modules := map[string]bool{}
	for path := range strings.FieldsSeq(golist(t, dir, "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")) {
		if !within(path, module) {
			modules[path] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(modules)), "\n") + "\n"
}
