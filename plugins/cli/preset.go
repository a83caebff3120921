package cli

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/plugins/agent"
)

// presetFile says of well-known tools how they are started and what their lines mean, and where that is documented.
//
//go:embed presets.json
var presetFile []byte

// presets is presetFile as it is read: by the tool's name, then by the mode in which it is spoken to.
type presets map[string]map[string]preset

// preset is how one tool is spoken to in one mode.
type preset struct {
	Documented string   `json:"documented"`
	Command    []string `json:"command"`
	Lines      []Line   `json:"lines,omitempty"`
}

// readPresets reads the file, which a test has read before.
func readPresets() (presets, error) {
	var all presets
	err := json.Unmarshal(presetFile, &all)
	return all, err
}

// fill takes from the preset what the configuration leaves open.
func (c *Config) fill() error {
	if c.Preset == "" {
		return nil
	}
	all, err := readPresets()
	if err != nil {
		return err
	}
	modes, ok := all[c.Preset]
	if !ok {
		return agent.BadInput("there is no preset %q; there are %s", c.Preset, strings.Join(slices.Sorted(maps.Keys(all)), ", ")).
			WithField("preset", "unknown").WithHint("take one of these, or set command and lines yourself")
	}
	if c.Mode == "" {
		c.Mode = jsonl
		if _, ok := modes[jsonl]; !ok {
			c.Mode = acpMode
		}
	}
	p, ok := modes[c.Mode]
	if !ok {
		return agent.BadInput("the preset %q has no mode %q; it has %s", c.Preset, c.Mode, strings.Join(slices.Sorted(maps.Keys(modes)), ", ")).
			WithField("mode", "not of this preset")
	}
	if len(c.Command) == 0 {
		c.Command = p.Command
	}
	if len(c.Lines) == 0 {
		c.Lines = p.Lines
	}
	return nil
}

// Command is the program that a configuration runs and its arguments, nil when it names none.
func Command(config json.RawMessage) []string {
	var c Config
	if json.Unmarshal(config, &c) != nil || c.fill() != nil { // the agent says what is wrong with it
		return nil
	}
	return c.Command
}
