package manifest

import "embed"

//go:embed schema/*.json
var schemas embed.FS

// Schema is the JSON Schema of what a file of that name may hold, once its TOML is read: of parallax.toml or parallax.lock. It is docs/schemas/NAME.schema.json.
func Schema(name string) (text string, ok bool) {
	data, err := schemas.ReadFile("schema/" + name + ".schema.json")
	return string(data), err == nil
}
