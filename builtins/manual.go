package builtins

import (
	"fmt"
	"strings"
)

// Section is a chapter of the manual.
type Section struct {
	Title string
	Doc   string // what its builtins have in common; may be empty
	Decls []*Decl
}

// Manual gives all builtins in the order in which one learns them. Methods and members of modules carry the name of what they belong to:
// "Agent.ask", "json.encode".
func Manual() []Section {
	ask := askDecl()
	state := stateModule()
	sections := []Section{
		{Title: "Agents", Decls: []*Decl{agentDecl(ask), agentsDecl(ask), qualified("Agent", ask), retryDecl()}},
		{Title: "Working side by side", Decls: []*Decl{
			parallelDecl(), pipelineDecl(), gatherDecl(), raceDecl(), deferDecl(), withinDecl(),
		}},
		{Title: "Stopping early", Doc: "Policies for parallel(until=...).", Decls: []*Decl{
			firstDecl(), quorumDecl(), majorityLockedDecl(), adaptiveDecl(), sprtDecl(),
		}},
		{Title: "Deciding", Decls: []*Decl{
			voteDecl(), consensusDecl(), bestDecl(), confidentDecl(), gateDecl(), outcomeDecl(), verifyDecl(),
		}},
		{Title: "Failures", Decls: []*Decl{attemptDecl(), failDecl()}},
		{Title: "People, time and other runs", Decls: []*Decl{
			approveDecl(), waitForDecl(), sleepDecl(), nowDecl(), randomDecl(), uuidDecl(), runDecl(),
		}},
		{Title: "Memory", Doc: state.Doc, Decls: qualifiedAll(state)},
		{Title: "Telling what happens", Decls: []*Decl{phaseDecl(), logDecl(), emitDecl()}},
		{Title: "The pattern itself", Decls: []*Decl{patternDecl(), budgetDecl(), budgetRemainingDecl()}},
		{Title: "Data", Decls: dataDecls()},
	}
	for _, m := range dataModules() {
		sections = append(sections, Section{Title: "Module " + m.Name, Doc: m.Doc, Decls: qualifiedAll(m)})
	}
	return sections
}

// qualified is a declaration under the name by which people speak of it.
func qualified(owner string, d *Decl) *Decl {
	q := *d
	q.Name = owner + "." + d.Name
	return &q
}

func qualifiedAll(m module) []*Decl {
	all := make([]*Decl, len(m.Decls))
	for i, d := range m.Decls {
		all[i] = qualified(m.Name, d)
	}
	return all
}

// Page is the manual page of one builtin or one module by name, such as "parallel", "Agent.ask", "state" or "json.encode", or "" when there is none.
func Page(name string) string {
	for _, s := range Manual() {
		if s.Doc != "" && (s.Title == "Module "+name || name == "state" && s.Title == "Memory") {
			return s.page()
		}
		for _, d := range s.Decls {
			if d.Name == name {
				return d.page()
			}
		}
	}
	return ""
}

// page is a section as text: its story and the signatures.
func (s Section) page() string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(s.Doc))
	b.WriteString("\n\n")
	for _, d := range s.Decls {
		fmt.Fprintf(&b, "    %s\n", d.Signature())
	}
	return b.String()
}

// page is a declaration as text: signature, then what it says of itself.
func (d *Decl) page() string {
	return "    " + d.Signature() + "\n\n" + strings.TrimSpace(d.Doc) + "\n"
}

// Markdown is the whole manual as one document.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Builtins\n\nWhat a pattern can say beyond Starlark itself. Names marked with an asterisk are effects: they act on the world, are recorded, " +
		"and work only in functions that `main` calls.\n")
	for _, s := range Manual() {
		fmt.Fprintf(&b, "\n## %s\n", s.Title)
		if s.Doc != "" {
			fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(s.Doc))
		}
		for _, d := range s.Decls {
			mark := ""
			if d.Effect {
				mark = " \\*"
			}
			fmt.Fprintf(&b, "\n### %s%s\n\n%s", d.Name, mark, d.page())
		}
	}
	return b.String()
}
