package market

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/parallax-run/parallax/internal/manifest"
)

// SumsName is the file of a release that lists its other files and their checksums.
const SumsName = sumsName

// SourceAsset is the file of a release that a pattern's source is in.
func (r Ref) SourceAsset() string { return r.sourceAsset() }

// BuildAsset is the file of a release that an agent's build for a platform, os/arch, is in.
func (r Ref) BuildAsset(platform string) string {
	goos, arch := filepath.Split(platform)
	return fmt.Sprintf("%s_%s_x%d_%s_%s.zip", r.Name(), r.bare(), Protocol, filepath.Clean(goos), arch)
}

var buildName = regexp.MustCompile(`^(.+)_([^_]+)_x([0-9]+)_([a-z0-9]+)_([a-z0-9]+)\.zip$`)

// ParseBuild gives the platform of a file that is a build of an agent in this version. If it is none the error says why.
func (r Ref) ParseBuild(file string) (platform string, err error) {
	m := buildName.FindStringSubmatch(file)
	switch {
	case m == nil:
		return "", fmt.Errorf("%s is not named NAME_VERSION_x%d_OS_ARCH.zip", file, Protocol)
	case m[1] != r.Name():
		return "", fmt.Errorf("%s is of %s, and the package is called %s", file, m[1], r.Name())
	case m[2] != r.bare():
		return "", fmt.Errorf("%s is of version %s, and parallax.toml says %s", file, m[2], r.bare())
	case m[3] != strconv.Itoa(Protocol):
		return "", fmt.Errorf("%s is of protocol %s, and there is %d", file, m[3], Protocol)
	}
	return m[4] + "/" + m[5], nil
}

// Examine unpacks an archive to dir, which is empty, as an installation would, and refuses it as that would. hash is over its files.
func Examine(archive, dir string, r Ref, kind manifest.Kind) (m *manifest.Manifest, hash string, err error) {
	bounds := patternBounds
	if kind == manifest.KindAgent {
		bounds = agentBounds
	}
	if _, err := unpack(archive, dir, bounds); err != nil {
		return nil, "", err
	}
	if m, err = readManifest(dir, r, anyWorkspace); err != nil {
		return nil, "", err
	}
	if err := (&obtaining{Market: &Market{}, ref: r}).fits(m, kind); err != nil {
		return nil, "", err
	}
	if kind == manifest.KindAgent {
		if err := runnable(dir, m); err != nil {
			return nil, "", err
		}
	}
	hash, err = hashTree(dir)
	return m, hash, err
}

// Claimed takes a file as a lock of this process, which ends with it. free ends it sooner; ok is false where another process has it.
func Claimed(file string) (free func(), ok bool, err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	if ok, err = tryLock(f); err != nil || !ok {
		f.Close()
		return nil, false, err
	}
	return func() { _ = f.Close() }, true, nil
}
