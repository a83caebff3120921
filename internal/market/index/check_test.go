package index_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/market/index"
)

// The places where an entry can be wrong. old is what new takes the place of in the text of an entry.
func TestWhatAnEntryMustNotSay(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 301)
	for _, c := range []struct{ name, text, old, new, want string }{
		{"empty", pattern, pattern, "", "packages/acme/debate.json: the file is empty"},
		{"cut off", pattern, "\n  ]\n}\n", "", "packages/acme/debate.json:21: it is not JSON: it ends before it is complete"},
		{"no JSON", pattern, `"kind"`, `kind`, "packages/acme/debate.json:3: it is not JSON: invalid character 'k'"},
		{"something behind", pattern, "\n  ]\n}\n", "\n  ]\n}\n{}", "packages/acme/debate.json:24: something stands behind the end"},
		{"not UTF-8", pattern, "Several", "\xff", "the text is not valid UTF-8"},
		{"too large", pattern, "Several", strings.Repeat("x", index.MaxEntry), "the file is larger than 1024 KiB"},
		{"too deep", pattern, `["debate"]`, strings.Repeat("[", 30) + strings.Repeat("]", 30), "packages/acme/debate.json:7: it is not JSON: it is nested deeper than 16"},
		{"a list", pattern, pattern, "[]", "packages/acme/debate.json:1: the file is a list, want an object"},
		{"unknown key", pattern, `"license"`, `"licence"`, `packages/acme/debate.json:6: there is no key "licence"`},
		{"key in another case", pattern, `"kind"`, `"Kind"`, `packages/acme/debate.json:3: there is no key "Kind"`},
		{"key twice", pattern, `"kind": "pattern"`, `"kind": "pattern", "kind": "agent"`, `packages/acme/debate.json:3: the file has the key "kind" twice`},
		{"null", pattern, `["debate"]`, `null`, "packages/acme/debate.json:7: keywords is null, want a list"},
		{"a number", pattern, `"Apache-2.0"`, `2`, "packages/acme/debate.json:6: license is 2, want a string"},
		{"a string for a list", pattern, `["debate"]`, `"debate"`, `packages/acme/debate.json:7: keywords is "debate", want a list`},
		{"no time", pattern, `"2026-01-02T15:04:05Z"`, `"yesterday"`, `packages/acme/debate.json:13: versions[0].released is "yesterday", want a time such as 2026-01-02T15:04:05Z`},
		{"unknown key of a version", pattern, `"h1": "h1:AAA`, `"h2": "h1:AAA`, `packages/acme/debate.json:14: there is no key "h2"`},

		{"name in another case", pattern, `"acme/debate"`, `"Acme/debate"`, `packages/acme/debate.json:2: "Acme/debate" cannot be the name of a package`},
		{"name without owner", pattern, `"acme/debate"`, `"debate"`, "cannot be the name"},
		{"name that leads elsewhere", pattern, `"acme/debate"`, `"acme/../debate"`, "cannot be the name"},
		{"name of a device", pattern, `"acme/debate"`, `"acme/con"`, "cannot be the name"},
		{"another name than the source's", pattern, `"acme/debate"`, `"acme/other"`, "github.com/Acme/Debate is not where acme/other comes from"},
		{"kind", pattern, `"pattern"`, `"template"`, `packages/acme/debate.json:3: kind is "template"`},
		{"no source", pattern, `"github.com/Acme/Debate"`, `"Acme/Debate"`, `"Acme/Debate" is not the source of a package`},
		{"no description", pattern, `"Several agents argue, one decides."`, `""`, "packages/acme/debate.json:5: there is no description"},
		{"two lines", pattern, `one decides.`, `one\ndecides.`, "description has the character U+000A, which cannot be seen"},
		{"text that reads backwards", pattern, `one decides.`, `one\u202edecides.`, "description has the character U+202E"},
		{"text for terminals", pattern, `one decides.`, `\u001b[2J`, "description has the character U+001B"},
		{"too much text", pattern, `one decides.`, long, "description is too long"},
		{"license", pattern, `Apache-2.0`, `do what you like!`, `packages/acme/debate.json:6: license is "do what you like!"`},
		{"keyword", pattern, `["debate"]`, `["debate", "Two Words"]`, `packages/acme/debate.json:7: keywords has "Two Words"`},
		{"keyword twice", pattern, `["debate"]`, `["debate", "debate"]`, `keywords has "debate" twice`},
		{"maintainer", pattern, `["alice"]`, `["al/ice"]`, `packages/acme/debate.json:8: maintainers has "al/ice"`},
		{"verified", agent, `"verified": "github.com/acme"`, `"verified": "true"`, `verified is "true"`},
		{"no version", agent, agent[strings.Index(agent, `"versions": [`)+13 : strings.LastIndex(agent, "]")], "", "there are no versions"},
		{"version with v", pattern, `"1.2.0"`, `"v1.2.0"`, `"v1.2.0" is not a version`},
		{"short version", pattern, `"1.2.0"`, `"1.2"`, `"1.2" is not a version`},
		{"versions in disorder", pattern, `"1.2.0"`, `"2.0.0"`, "packages/acme/debate.json:17: version 1.10.0-rc.1 stands behind 2.0.0"},
		{"version twice", pattern, `"1.2.0"`, `"1.10.0-rc.1"`, "version 1.10.0-rc.1 is there twice"},
		{"commit", pattern, `"commit": "0123`, `"commit": "x123`, "is not a commit"},
		{"hash of a pattern", pattern, `"h1:AAA`, `"h2:AAA`, "packages/acme/debate.json:14: "},
		{"pattern with permissions", pattern, `"h1": "h1:AAA`, `"permissions": {}, "h1": "h1:AAA`, "a pattern has neither hashes nor permissions"},
		{"agent without hashes", agent, `"linux/amd64": "sha256:0000000000000000000000000000000000000000000000000000000000000000"`, ``, "version 1.4.0 has no hashes"},
		{"platform", agent, `linux/amd64`, `Linux`, `"Linux" is not a platform`},
		{"hash of a file", agent, `"sha256:0`, `"sha1:0`, "is not the hash of a file"},
		{"oldest parallax", agent, `"parallax": "1.0.0"`, `"parallax": "one"`, `parallax is "one", which is not a version`},
		{"permissions", agent, `"net": [`, `"nets": [`, `packages/acme/critic.json:20: there is no key "nets"`},
		{"place that is none", agent, `"$WORKSPACE"`, `"$HOME"`, "packages/acme/critic.json:19: read: there is no place called $HOME"},
		{"memory", agent, `512MiB`, `much`, `packages/acme/critic.json:19: the limit memory is "much"`},
		{"secret", agent, `"memory": "512MiB"`, `"secrets": ["A B"]`, "is not the name of an environment variable"},
		{"permission that hides something", agent, `api.example.com:443`, `api.example.com:443\u200b`, "which cannot be seen"},
		{"identity", agent, `"https://github.com/acme/critic/`, `"javascript:alert(1)/`, "identity is "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, c.text, c.old)
			file := "packages/acme/debate.json"
			if strings.HasPrefix(c.text, agent[:20]) {
				file = "packages/acme/critic.json"
			}
			_, err := index.ParseEntry(file, []byte(strings.Replace(c.text, c.old, c.new, 1)))
			require.ErrorContains(t, err, c.want)
			_, ok := errors.AsType[index.Problems](err)
			require.True(t, ok)
		})
	}
}

func TestLicenses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"MIT", "Apache-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0", "(MIT OR Apache-2.0) AND BSD-3-Clause", "GPL-2.0+", "LicenseRef-ours"} {
		require.True(t, index.License(s), s)
	}
	for _, s := range []string{"", "AND", "MIT OR", "OR MIT", "MIT Apache-2.0", "(MIT", "MIT)", "()", "MIT OR (AND)", "mit/apache", strings.Repeat("(", 301)} {
		require.False(t, index.License(s), s)
	}
}

func TestWhatAnIndexMustNotSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, text string
		want             string
	}{
		{"stray file", "packages/acme/notes.txt", "x", "packages/acme/notes.txt: the file does not belong here"},
		{"entry without owner", "packages/debate.json", pattern, "packages/debate.json: the file does not belong here"},
		{"entry too deep", "packages/acme/a/debate.json", pattern, "the file does not belong here"},
		{"entry in upper case", "packages/Acme/debate.json", pattern, "the file does not belong here"},
		{"entry of another", "packages/acme/other.json", pattern, `packages/acme/other.json:2: the file names the package "acme/debate"`},
		{"removed nothing", "removed.json", `[{"name": "acme/nobody", "severity": "malware", "reason": "x"}]`, `removed.json:1: there is no package "acme/nobody"`},
		{"removed no version", "removed.json", `[{"name": "acme/debate", "versions": ["9.0.0"], "severity": "malware", "reason": "x"}]`, `acme/debate has no version "9.0.0"`},
		{"severity", "removed.json", `[{"name": "acme/debate", "severity": "bad", "reason": "x"}]`, `severity is "bad"`},
		{"no reason", "removed.json", `[{"name": "acme/debate", "severity": "policy", "reason": ""}]`, "there is no reason"},
		{"no list", "removed.json", `{}`, "removed.json:1: the file is an object, want a list"},
		{"deprecated nothing", "deprecated.json", `[{"name": "acme/nobody", "reason": "x"}]`, `there is no package "acme/nobody"`},
		{"instead of it nothing", "deprecated.json", `[{"name": "acme/debate", "reason": "x", "instead": "acme/nobody"}]`, `there is no package "acme/nobody"`},
		{"featured nothing", "featured.json", "[\"acme/debate\",\n \"acme/nobody\"]", `featured.json:2: there is no package "acme/nobody"`},
		{"featured twice", "featured.json", `["acme/debate", "acme/debate"]`, `"acme/debate" is there twice`},
		{"stars below zero", "stats.json", `{"acme/debate": {"stars": -1}}`, "acme/debate has counts below zero"},
		{"half a star", "stats.json", `{"acme/debate": {"stars": 1.5}}`, "stats.json:1: acme/debate.stars is 1.5, want a whole number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := tree()
			files[c.file] = &fstest.MapFile{Data: []byte(c.text)}
			_, err := index.Build(files, nil, now(), false)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	files := tree()
	files["packages/acme/link.json"] = &fstest.MapFile{Data: []byte("debate.json"), Mode: 0o777 | fs.ModeSymlink}
	files["removed.json"] = &fstest.MapFile{Data: []byte("packages/acme/debate.json"), Mode: 0o777 | fs.ModeSymlink}
	_, err := index.Build(files, nil, now(), false)
	require.ErrorContains(t, err, "packages/acme/link.json: it is not a regular file")
	require.ErrorContains(t, err, "removed.json: it is not a regular file")
}

// An entry that cannot be read is told of once, and not where others name it.
func TestOneMistakeIsOneFinding(t *testing.T) {
	t.Parallel()
	files := tree()
	files["packages/acme/debate.json"] = &fstest.MapFile{Data: []byte("{")}
	r, err := index.Read(files)
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
}

func TestAFolderThatIsNoIndex(t *testing.T) {
	t.Parallel()
	_, err := index.Build(fstest.MapFS{"README.md": {}}, nil, now(), false)
	require.ErrorContains(t, err, "there is no folder packages")
}

// reviewed gives the messages about an index that differs from one that was published.
func reviewed(t *testing.T, previous, present fstest.MapFS) []string {
	t.Helper()
	d, err := index.Build(previous, nil, now(), false)
	require.NoError(t, err)
	r, err := index.Read(present)
	require.NoError(t, err)
	var all []string
	for _, f := range r.Review(d, now()) {
		kind := "error: "
		if f.Warning {
			kind = "look: "
		}
		all = append(all, kind+f.String())
	}
	return all
}

// with gives the tree with the entry of critic changed.
func with(changes ...string) fstest.MapFS {
	files := tree()
	files["packages/acme/critic.json"] = &fstest.MapFile{Data: []byte(strings.NewReplacer(changes...).Replace(agent))}
	return files
}

func TestWhatWasPublishedStays(t *testing.T) {
	t.Parallel()
	require.Empty(t, reviewed(t, tree(), tree()))
	require.Empty(t, reviewed(t, tree(), with(`"1.4.0",`, `"1.4.0", "yanked": "It crashes.",`)), "a version can be taken back")
	require.Empty(t, reviewed(t, tree(), with(`"512MiB"`, `"524288KiB"`)), "the same, written in another way")
	for _, c := range []struct{ old, new, want string }{
		{`"0123`, `"9123`, "error: packages/acme/critic.json:13: the commit of version 1.4.0 was changed; it was 0123456789012345678901234567890123456789"},
		{`"sha256:0`, `"sha256:9`, "error: packages/acme/critic.json:16: the hash of version 1.4.0 for linux/amd64 was changed"},
		{`"linux/amd64"`, `"linux/arm64"`, "for linux/amd64 was changed"},
		{`"512MiB"`, `"600MiB"`, "error: packages/acme/critic.json:19: the permissions of version 1.4.0 were changed"},
		{`/acme/critic/.github`, `/mallory/critic/.github`, "error: packages/acme/critic.json:24: who signed version 1.4.0 was changed"},
	} {
		require.Contains(t, strings.Join(reviewed(t, tree(), with(c.old, c.new)), "\n"), c.want)
		d, err := index.Build(tree(), nil, now(), false)
		require.NoError(t, err)
		_, err = index.Build(with(c.old, c.new), d, now().Add(time.Hour), true)
		require.Error(t, err, "--shrink does not help")
	}
	require.Contains(t, reviewed(t, tree(), with(`"version": "1.4.0"`, `"version": "1.4.1"`)), "error: packages/acme/critic.json:10: version 1.4.0 is gone")
	gone := tree()
	delete(gone, "packages/acme/debate.json")
	for _, name := range []string{"deprecated.json", "featured.json", "stats.json"} {
		delete(gone, name)
	}
	require.Equal(t, []string{"look: packages/acme/debate.json: the package acme/debate is gone"}, reviewed(t, tree(), gone))
}

// What few agents need is shown to who reviews a new version, and only then.
func TestWidePermissionsAreRemarkedOn(t *testing.T) {
	t.Parallel()
	few := tree()
	delete(few, "packages/acme/critic.json")
	delete(few, "removed.json")
	delete(few, "deprecated.json")
	for _, c := range []struct{ permission, want string }{
		{`"net": ["api.example.com"]`, ""},
		{`"net": ["*.example.com:8443", "[2001:db8::1]:443"]`, "net [2001:db8::1]:443: that is an address in somebody's own network"},
		{`"net": ["*"]`, "look: packages/acme/critic.json:20: version 1.4.0 asks for net *: that is the whole network"},
		{`"net": ["*.com"]`, "that is every host below com"},
		{`"net": ["10.0.0.0/8:5432"]`, "that is an address in somebody's own network"},
		{`"net": ["localhost:8080"]`, "that is an address in somebody's own network"},
		{`"net": ["*.example.com"], "secrets": ["KEY"]`, "secrets KEY: it can send it to hosts that nobody knows"},
		{`"net": ["*.example.com"], "secrets": ["KEY@https://api.example.com"]`, ""},
		{`"net": ["api.example.com"], "secrets": ["KEY"]`, ""},
		{`"read": ["$WORKSPACE/papers", "notes"]`, ""},
		{`"read": ["/etc"]`, "read /etc: that is outside of the project"},
		{`"read": ["~/.ssh"]`, "read ~/.ssh: that is outside of the project"},
		{`"read": ["$WORKSPACE/../other"]`, "that leads out of the project"},
		{`"write": ["$WORKSPACE/out"]`, ""},
		{`"write": ["$WORKSPACE"]`, "it can change all of the project"},
		{`"write": ["."]`, "it can change all of the project"},
		{`"write": ["$WORKSPACE/.git/hooks"]`, "by that it can have anything run"},
		{`"write": ["/usr/local"]`, "that is outside of the project"},
		{`"exec": ["pdftotext"]`, ""},
		{`"exec": ["*"]`, "that is every program"},
		{`"exec": ["/usr/bin/python3"]`, "by that it can run anything"},
		{`"memory": "64GiB"`, "that is more than most machines have"},
		{`"sandbox": "basic"`, "that level stops none that means harm"},
		{`"net": ["a.b", "` + strings.Join(strings.Split(strings.Repeat("c", 25), ""), `.example.com", "`) + `.example.com"]`, "nobody reads that many"},
	} {
		old := agent[strings.Index(agent, `"net": [`):strings.Index(agent, "\n      },\n      \"identity\"")]
		files := with(old, c.permission)
		delete(files, "removed.json")
		delete(files, "deprecated.json")
		found := strings.Join(reviewed(t, few, files), "\n")
		if c.want == "" {
			require.Empty(t, found, c.permission)
			continue
		}
		require.Contains(t, found, c.want)
		require.Empty(t, reviewed(t, files, files), "it was looked at before")
	}
}

// A new version shows what it asks for and the one before it did not.
func TestWidenedPermissionsAreRemarkedOn(t *testing.T) {
	t.Parallel()
	e, err := index.ParseEntry("x", []byte(agent))
	require.NoError(t, err)
	v := e.Versions[0]
	v.Version, v.Identity = "1.5.0", ""
	v.Permissions = &index.Permissions{Net: []string{"api.example.com:443", "other.example.com"}, Sandbox: "strict", Memory: "512MiB"}
	v.Released = now().AddDate(1, 0, 0)
	e.Put(v)
	text, err := e.Text()
	require.NoError(t, err)
	files := tree()
	files["packages/acme/critic.json"] = &fstest.MapFile{Data: text}
	require.Equal(t, []string{
		"error: packages/acme/critic.json:38: version 1.5.0 is from the future",
		"look: packages/acme/critic.json:35: version 1.5.0 is not signed by github.com/acme",
		"look: packages/acme/critic.json:44: version 1.5.0 asks for net other.example.com, which 1.4.0 did not",
	}, reviewed(t, tree(), files))
}
