package agentpb

import _ "embed" // the text below

// Source is agent.proto, for those who write an agent in another language.
//
//go:embed agent.proto
var Source string

// Compiled is agent.proto as a serialized google.protobuf.FileDescriptorProto, from which other languages make its messages without a code generator.
func Compiled() []byte { return []byte(file_agent_proto_rawDesc) }
