package runs

import "github.com/parallax-run/parallax/internal/story"

// paint gives what colours a tree, or nil where no colours are wanted.
func paint(lookup func(string) (string, bool)) func(role, text string) string {
	if v, _ := lookup("NO_COLOR"); v != "" {
		return nil
	}
	if v, _ := lookup("TERM"); v == "dumb" {
		return nil
	}
	colors := map[string]string{
		"faint": "2", string(story.Done): "32", string(story.Failed): "31", string(story.Cancelled): "2", string(story.Waiting): "33",
		string(story.Suspended): "33", string(story.Running): "36",
	}
	return func(role, text string) string {
		if text == "" || colors[role] == "" {
			return text
		}
		return "\x1b[" + colors[role] + "m" + text + "\x1b[0m"
	}
}
