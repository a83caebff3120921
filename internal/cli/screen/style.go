package screen

// style paints text for a terminal, or leaves it as it is.
type style struct{ color bool }

func (s style) sgr(code, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) good(t string) string   { return s.sgr("32", t) }
func (s style) bad(t string) string    { return s.sgr("31", t) }
func (s style) busy(t string) string   { return s.sgr("36", t) }
func (s style) warn(t string) string   { return s.sgr("33", t) }
func (s style) faint(t string) string  { return s.sgr("2", t) }
func (s style) strong(t string) string { return s.sgr("1", t) }
