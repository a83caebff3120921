package manual

// topic is a page about something that is no builtin.
type topic struct {
	name    string
	summary string
	text    string
}

func topics() []topic {
	return []topic{
		{"main", "The function that a run calls; its parameters are the inputs.", mainPage},
		{"load", "Takes names from another file of the project.", loadPage},
	}
}

const mainPage = `def main(name, other = default): ...

  The function that a run calls. Its parameters are the pattern's inputs, one without a default must be given; what it returns is the result.

  --input name=VALUE gives an input: JSON where it parses and the default is not a string, else the text as it is. @FILE is a file's
  content. The result and the inputs are data: None, booleans, numbers, strings, lists, dicts, and what has such a form, as records do.

      def main(question, n = 3, notes = file("notes.md")):
          return {"question": question, "n": n}
`

const loadPage = `load(":lib.star", "name", other = "name")

  Takes names from another file, at the top of this one. There is no import.

  ":lib.star" stands beside this file, "//dir/lib.star" is seen from the folder of parallax.toml. A file can load what is in its project and
  nothing else. Each name is a string; other = "name" gives it another name here. Names that begin with _ stay private. A loaded file runs
  once, what it defines is frozen, and it needs no main.

      load(":types.star", "Verdict")
      load("//shared/votes.star", tally = "count_votes")
`
