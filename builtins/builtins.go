package builtins

import (
	"go.starlark.net/starlark"
)

// All gives every name that patterns may use beyond Starlark's own. The values are immutable and may be shared by any number of programs.
func All() starlark.StringDict {
	values := dataValues()
	for _, d := range actingDecls() {
		values[d.Name] = d.Builtin(nil)
	}
	values["budget"] = budgetBuiltin{budgetDecl().Builtin(nil), budgetRemainingDecl().Builtin(nil)}
	values["state"] = stateModule().value()
	return values
}

// Decls gives the declarations of all builtins, in the order of the manual and under the names that it uses: "parallel", "Agent.ask",
// "json.encode".
func Decls() []*Decl {
	var all []*Decl
	for _, s := range Manual() {
		all = append(all, s.Decls...)
	}
	return all
}

// actingDecls gives the declarations of what scripts call directly, data builtins excepted.
func actingDecls() []*Decl {
	ask := askDecl()
	return []*Decl{
		agentDecl(ask), agentsDecl(ask), retryDecl(),
		parallelDecl(), pipelineDecl(), gatherDecl(), raceDecl(), deferDecl(), withinDecl(), attemptDecl(),
		firstDecl(), quorumDecl(), majorityLockedDecl(), adaptiveDecl(), sprtDecl(),
		voteDecl(), consensusDecl(), bestDecl(), confidentDecl(), gateDecl(), outcomeDecl(), verifyDecl(),
		approveDecl(), waitForDecl(), sleepDecl(), nowDecl(), randomDecl(), uuidDecl(), runDecl(),
		emitDecl(), logDecl(), phaseDecl(), failDecl(), patternDecl(),
	}
}
