package market

// DefaultIndex is the index that is asked unless a user names others: where it is, and the key that signs it. It is a file of a release, so that it needs no API and no
// token, and whatever stands for github.com has it too.
//
// Nobody has the private part of this key: who sets the index up puts the key there that parallax index keygen made.
const DefaultIndex = "https://github.com/parallax-run/index/releases/latest/download/index.ndjson#ed25519:dpbW0mPwFUX5eYyGhQrDbDZpLDPq7++1gE23yBFVBzo="

// DefaultIndexRepository is where entries are proposed to it, on github.com.
const DefaultIndexRepository = "parallax-run/index"
