package manifest

import (
	"errors"
	"io/fs"
	"strings"
)

// Market is the table [market]: where packages are looked for.
type Market struct {
	Index []string // URL#ed25519:KEY, in the order in which they are asked
	Hosts []string // HOST=URL, what stands for a host; in the settings of a user only

	RequireVerified bool // packages are refused unless it is verified who built them
}

func marketOf(t *table, known ...string) Market {
	t.only(known...)
	m := Market{Index: t.texts("index"), Hosts: t.texts("hosts")}
	for _, at := range m.Index {
		if !strings.Contains(at, "#ed25519:") {
			t.wrong("index", `write index = ["https://example.org/index.ndjson#ed25519:KEY"], where KEY is what its key.pub says`, "index has %q, which does not say its key", at)
		}
	}
	switch verified := t.text("verified"); verified {
	case "", "require":
		m.RequireVerified = verified != ""
	default:
		t.wrong("verified", `write verified = "require", or leave it out`, "verified is %q", verified)
	}
	for _, host := range m.Hosts {
		if !strings.Contains(host, "=") {
			t.wrong("hosts", `write hosts = ["github.com=https://mirror.example.org"], or ["*=/srv/mirror"]`, "hosts has %q, want HOST=URL", host)
		}
	}
	return m
}

// Settings are what a user has set for all projects: config.toml.
type Settings struct {
	Market Market
}

// LoadSettings reads the settings of a user, which need not be there. What is wrong with their text is an *Error.
func LoadSettings(path string) (*Settings, error) {
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Settings{}, nil
	}
	if err != nil {
		return nil, err
	}
	doc, err := parse(path, text)
	if err != nil {
		return nil, err
	}
	top := doc.top()
	top.only("market")
	return &Settings{Market: marketOf(top.table("market"), "index", "hosts", "verified")}, doc.err()
}
