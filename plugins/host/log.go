package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
)

// logLine passes a line of an agent's stderr to the host's log, or is nil when nobody reads that.
func (i *instance) logLine() func(string) {
	log := i.proc.host.log
	if !log.Enabled(context.Background(), slog.LevelError) {
		return nil
	}
	return func(line string) {
		level, message, attrs := parseLine(line)
		if level == levelNone {
			level, message = slog.LevelDebug, line
		}
		if _, ok := attrs["agent"]; !ok {
			attrs["agent"] = i.proc.cmd.label
		}
		list := make([]slog.Attr, 0, len(attrs))
		for _, k := range slices.Sorted(maps.Keys(attrs)) {
			v := attrs[k]
			if s, ok := v.(string); ok {
				v = i.scrub.clean(s)
			}
			list = append(list, slog.Any(k, v))
		}
		log.LogAttrs(context.Background(), level, i.scrub.clean(message), list...) //nolint:sloglint // the agent's own words
	}
}

const levelNone = slog.Level(-100)

// parseLine reads a line as hclog writes it: a JSON object with @level and @message.
func parseLine(line string) (level slog.Level, message string, attrs map[string]any) {
	attrs = make(map[string]any)
	if len(line) == 0 || line[0] != '{' || json.Unmarshal([]byte(line), &attrs) != nil {
		return levelNone, "", map[string]any{}
	}
	message, _ = attrs["@message"].(string)
	name, _ := attrs["@level"].(string)
	for _, k := range []string{"@message", "@level", "@timestamp", "@module", "@caller"} {
		delete(attrs, k)
	}
	switch name {
	case "trace", "debug":
		return slog.LevelDebug, message, attrs
	case "info":
		return slog.LevelInfo, message, attrs
	case "warn":
		return slog.LevelWarn, message, attrs
	case "error":
		return slog.LevelError, message, attrs
	}
	return levelNone, "", map[string]any{}
}
