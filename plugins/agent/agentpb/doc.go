// Package agentpb is the wire form of the agent protocol: agent.proto and the code generated from it.
package agentpb

//go:generate ./generate.sh
