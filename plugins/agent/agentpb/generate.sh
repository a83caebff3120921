#!/bin/sh
# Regenerates the Go code of agent.proto. Needs protoc 3.21 or later; the generators are those pinned in internal/tools.
set -eu
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOWORK=off go build -modfile=../../../internal/tools/go.mod -o "$bin/" \
	google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
PATH=$bin:$PATH protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative agent.proto
