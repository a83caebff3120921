package agentpb

// What host and agent agree on before they speak the protocol. The cookie is no secret: it only tells an agent that a
// host started it, and not a person.
const (
	ProtocolVersion = 1       // go-plugin's application version; a breaking change of agent.proto is the next one
	PluginName      = "agent" // in go-plugin's plugin set
	CookieKey       = "PARALLAX_AGENT"
	CookieValue     = "9f1d64c2-parallax-agent"
	StdinWatch      = "PARALLAX_STDIN_WATCH" // set to 1 by a host that keeps stdin open: end of file means it is gone
)

// InlineBytes is the largest JSON text that travels inside a Value; larger ones travel as a Blob.
const InlineBytes = 256 << 10

// RemoteBytes is the largest message to or from an agent of another machine, where there are no blobs.
const RemoteBytes = 65 << 20
