package doctor

import (
	"encoding/json"

	"github.com/parallax-run/parallax/internal/manifest"
)

// execCommand is what an exec agent runs, which it reads from its own settings.
func execCommand(a *manifest.Agent) []string {
	var settings struct {
		Command []string `json:"command"`
	}
	if json.Unmarshal(a.Config, &settings) != nil {
		return nil
	}
	return settings.Command
}
