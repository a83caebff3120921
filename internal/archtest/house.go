// Package archtest keeps the house in order: which room may know which, and in which room each heavy dependency lives.
//
// The plan is the two tables in this file. Check reads the imports of a source tree and says where they break it; the tests of this package
// run it over the repository. The depguard rules in .golangci.yml are written from the same tables, so the editor and the test agree.
package archtest

// module is the path of the module at the root of the repository. The agent SDK is a module of its own below it.
const module = "github.com/parallax-run/parallax"

// A Room is a package and everything below it.
type Room struct {
	// Path is slash-separated and relative to the repository.
	Path string
	// Floor orders rooms: a room may import rooms on lower floors. Rooms on one floor do not know each other.
	Floor int
	// Only narrows a room to the rooms named here. Nil means every lower floor.
	Only []string
	// Tests are rooms that this room's tests may import besides testkit and what the room itself may import.
	Tests []string
	// ForTests closes a room to everything but tests.
	ForTests bool
	// Pure rooms see no clock, no network, no host and no chance.
	Pure bool
}

// A Door says where a dependency may be imported. What has no door is not a dependency of this house.
type Door struct {
	// Module is an import path; everything below it goes through the same door.
	Module string
	// Rooms may import it.
	Rooms []string
	// Tests are rooms whose tests may import it too. anywhere means all of them.
	Tests []string
}

// A Fast folder, without those below it, is set up before the rest of its executable, and so must do without what Go sets up late. See docs/decisions/0018.
type Fast struct {
	Path    string
	Without []string // import paths, with all below them
}

// shims become an agent within a millisecond or two of their start.
var shims = []Fast{
	{Path: "plugins/host/sandbox/shim", Without: late},
	{Path: "plugins/host/sandbox/shim/kernel", Without: late},
	{Path: "cmd/first", Without: late},
}

// late is what people reach for first and Go sets up last.
var late = []string{"os", "io", "fmt", "strings", "bytes", "log", "net", "encoding", "reflect", "context", "time", "bufio", "golang.org/x/sys"}

const (
	anywhere   = "*"
	top        = 8                     // nobody imports what is up here
	testkit    = "internal/testkit"    // fakes and suites; for tests only
	enginetest = "internal/enginetest" // what every engine must do alike
	enterprise = "internal/enterprise" // has a licence of its own; the open edition never links it
)

// house is the plan that docs/architecture.md draws, from the ground up.
var house = []Room{
	{Path: "runtime", Floor: 1, Pure: true},
	{Path: "internal/consensus", Floor: 1, Only: []string{}, Pure: true},
	{Path: "plugins/agent", Floor: 1},

	{Path: "builtins", Floor: 2, Only: []string{"runtime", "internal/consensus"}, Pure: true},
	{Path: "stdlib", Floor: 2, Only: []string{"runtime"}, Pure: true, Tests: []string{"builtins", "internal/pattern", "internal/engine", "internal/local", "internal/cli"}},
	{Path: "plugins/openai", Floor: 2, Only: []string{"plugins/agent"}},
	{Path: "plugins/anthropic", Floor: 2, Only: []string{"plugins/agent"}},
	{Path: "plugins/process", Floor: 2, Only: []string{"plugins/agent"}},
	{Path: "plugins/exec", Floor: 3, Only: []string{"plugins/agent", "plugins/process"}},
	{Path: "plugins/cli", Floor: 3, Only: []string{"plugins/agent", "plugins/process"}},
	{Path: "plugins/http", Floor: 2, Only: []string{"plugins/agent"}},
	{Path: "plugins/human", Floor: 2, Only: []string{"plugins/agent"}},
	{Path: "plugins/web", Floor: 3, Only: []string{"plugins/agent", "plugins/process"}},
	{Path: "plugins/mcp", Floor: 4, Only: []string{"plugins/agent", "plugins/process", "plugins/web", "runtime"}},
	{Path: "plugins/a2a", Floor: 4, Only: []string{"plugins/agent", "plugins/process", "plugins/web", "runtime"}},
	{Path: "internal/limiter", Floor: 2, Only: []string{"runtime"}},
	{Path: "plugins/mock", Floor: 2, Only: []string{"plugins/agent", "runtime"}},

	{Path: "internal/pattern", Floor: 3},
	{Path: "internal/manifest", Floor: 3},
	{Path: "internal/edition", Floor: 3},
	{Path: "internal/apipb", Floor: 3},

	{Path: "internal/engine", Floor: 4, Only: []string{"runtime"}, Pure: true},
	{Path: "internal/child", Floor: 4, Only: []string{"runtime", "builtins"}, Tests: []string{"internal/engine", "internal/local", "internal/pattern", "stdlib"}},
	{Path: "internal/story", Floor: 4, Only: []string{"runtime"}, Pure: true, Tests: []string{"builtins", "internal/engine", "internal/local"}},
	{Path: "internal/enterprise/license", Floor: 4},
	{Path: "internal/enterprise/access", Floor: 4},
	{Path: "internal/enterprise/workspace", Floor: 4},
	{Path: "internal/enterprise/registry", Floor: 4},
	{Path: "internal/enterprise/schedule", Floor: 4},
	{Path: "internal/enterprise/history", Floor: 4},
	{Path: "internal/enterprise/audit", Floor: 4},
	{Path: "internal/enterprise/usage", Floor: 4},
	{Path: "internal/enterprise/alert", Floor: 4},
	{Path: "internal/enterprise/backup", Floor: 4},
	{Path: "internal/enterprise/testcluster", Floor: 4, Only: []string{}, ForTests: true},
	{Path: testkit, Floor: 4, ForTests: true},
	{Path: enginetest, Floor: 4, ForTests: true, Tests: []string{"internal/child", "internal/engine", "internal/local", "internal/badger"}},
	{Path: "internal/origin", Floor: 4, Only: []string{}},
	{Path: "internal/trace", Floor: 4, Only: []string{"runtime"}, Tests: []string{"builtins", "internal/engine", "internal/local"}},

	{Path: "internal/local", Floor: 5},
	{Path: "internal/remote", Floor: 5},
	{Path: "internal/badger", Floor: 5},
	{Path: "internal/market", Floor: 5},
	{Path: "internal/provenance", Floor: 5, Only: []string{"internal/origin"}},
	{Path: "internal/deploy", Floor: 5},
	{Path: "plugins/host", Floor: 5},
	{Path: "internal/enterprise/temporal", Floor: 5},
	{Path: "internal/enterprise/postgres", Floor: 5},

	{Path: "internal/cli", Floor: 6},
	{Path: "internal/enterprise/server", Floor: 6},
	{Path: "internal/enterprise/operator", Floor: 6},

	{Path: "internal/enterprise/command", Floor: 7},

	{Path: "cmd/first", Floor: 6},
	{Path: "cmd/parallax", Floor: 8},
	{Path: "cmd/parallaxd", Floor: 8},
	{Path: "cmd/parallax-verify", Floor: 8, Only: []string{"internal/origin", "internal/provenance"}, Tests: []string{"internal/cli", "cmd/first"}},

	// What stands beside the house: agents in examples are written as anybody else would write them.
	{Path: "examples", Floor: top, Only: []string{"plugins/agent"}, Tests: []string{"internal/cli"}},
	{Path: "internal/bench", Floor: top},
	{Path: "internal/archtest", Floor: top, Only: []string{}},
}

// doors gives each dependency its room.
var doors = []Door{
	{Module: "go.starlark.net", Rooms: []string{"runtime", "builtins", "stdlib", "internal/pattern", "internal/child"}, Tests: []string{anywhere}},
	{Module: "github.com/google/jsonschema-go", Rooms: []string{"builtins", "plugins/agent", "plugins/host"}, Tests: []string{testkit, "internal/pattern", "internal/manifest", "internal/market"}},

	{Module: "github.com/hashicorp/go-plugin", Rooms: []string{"plugins/agent", "plugins/host"}},
	{Module: "github.com/hashicorp/go-hclog", Rooms: []string{"plugins/agent", "plugins/host"}},
	{Module: "google.golang.org/grpc", Rooms: []string{"plugins/agent", "plugins/host", testkit}},
	{Module: "google.golang.org/genproto", Rooms: []string{"plugins/agent", "plugins/host"}},
	{Module: "google.golang.org/protobuf", Rooms: []string{"plugins/agent", "plugins/host", "internal/apipb", testkit, "internal/enterprise/temporal", "internal/enterprise/testcluster"}},
	{Module: "go.temporal.io", Rooms: []string{"internal/enterprise/temporal", "internal/enterprise/testcluster"}},

	{Module: "github.com/openai/openai-go", Rooms: []string{"plugins/openai"}, Tests: []string{testkit}},
	{Module: "github.com/anthropics/anthropic-sdk-go", Rooms: []string{"plugins/anthropic"}, Tests: []string{testkit}},
	{Module: "github.com/coder/acp-go-sdk", Rooms: []string{"plugins/cli"}},

	{Module: "github.com/a2aproject/a2a-go", Rooms: []string{"plugins/a2a"}},
	{Module: "github.com/modelcontextprotocol/go-sdk", Rooms: []string{"plugins/mcp", "internal/cli"}},

	{Module: "go.opentelemetry.io/otel/exporters/otlp", Rooms: []string{"internal/trace"}},
	{Module: "go.opentelemetry.io/proto/otlp", Rooms: []string{"internal/trace", testkit}, Tests: []string{"cmd/parallax"}},

	{Module: "github.com/pelletier/go-toml", Rooms: []string{"internal/manifest"}},
	{Module: "golang.org/x/mod", Rooms: []string{"internal/manifest", "internal/market", "internal/cli"}},
	{Module: "github.com/sigstore", Rooms: []string{"internal/provenance", testkit}},
	{Module: "github.com/klauspost/compress", Rooms: []string{"internal/provenance"}, Tests: []string{"cmd/parallax-verify"}},
	{Module: "github.com/dgraph-io/badger", Rooms: []string{"internal/badger"}},

	{Module: "github.com/spf13", Rooms: []string{"internal/cli", "internal/enterprise/command"}},
	{Module: "charm.land", Rooms: []string{"internal/cli"}},
	{Module: "github.com/charmbracelet", Rooms: []string{"internal/cli"}},
	{Module: "github.com/mattn", Rooms: []string{"internal/cli"}},
	{Module: "golang.org/x/term", Rooms: []string{"internal/cli"}},

	// Small and close to the standard library; the ground floor still does without them.
	{Module: "golang.org/x/sync", Rooms: aboveGround()},
	{Module: "golang.org/x/sys", Rooms: aboveGround()},
	{Module: "golang.org/x/text", Rooms: append(aboveGround(), "builtins")},

	{Module: "github.com/stretchr/testify", Rooms: []string{testkit, enginetest}, Tests: []string{anywhere}},
	{Module: "github.com/rogpeppe/go-internal", Rooms: []string{testkit, enginetest}, Tests: []string{anywhere}},
	{Module: "github.com/getkin/kin-openapi", Rooms: []string{testkit}},
	{Module: "github.com/google/go-github", Rooms: []string{}, Tests: []string{testkit}},
	{Module: "go.uber.org/goleak", Rooms: []string{testkit}, Tests: []string{anywhere}},
	{Module: "pgregory.net/rapid", Rooms: []string{testkit}, Tests: []string{anywhere}},
}

// aboveGround lists the rooms that are not pure.
func aboveGround() []string {
	var paths []string
	for _, r := range house {
		if !r.Pure {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// impure are the packages of the standard library through which the host, chance or another machine would reach a pure room.
var impure = []string{
	"C", "crypto/rand", "log", "math/rand", "net", "os", "path/filepath", "plugin", "syscall",
}

// clock are the functions of package time that read or follow a clock.
var clock = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}
