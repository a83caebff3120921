package temporal

// For tests that have no client.
const (
	WorkflowName = workflowName
	FactsQuery   = factsName
	SignalName   = signalName
	DecideUpdate = decideName
)

// ReadFacts reads what the query for facts gives.
var ReadFacts = readFacts
