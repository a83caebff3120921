package trace

// Every name that another program reads in our traces, or that we read in the environment, stands in this file.
//
// Names of generative AI are those of the OpenTelemetry conventions, which are not stable yet: version 0.1.0 of semantic-conventions-genai. It calls
// a workflow's name by that of an agent; version 1.41 of the general conventions, which many programs still read, has a name of its own for it.
// Both are given.

// Operations: values of opName, and the first word of a span's name.
const (
	invokeWorkflow = "invoke_workflow" // a run
	invokeAgent    = "invoke_agent"    // a call of an agent, all its attempts
	executeTool    = "execute_tool"    // a tool that an agent says it used
)

// What else a span's name begins with.
const (
	forkSpan     = "fork"
	branchSpan   = "branch"
	sleepSpan    = "sleep"
	signalSpan   = "wait_for"
	approvalSpan = "approve"
)

// Names of the conventions.
const (
	opName         = "gen_ai.operation.name"
	workflowName   = "gen_ai.workflow.name"
	agentName      = "gen_ai.agent.name"
	providerName   = "gen_ai.provider.name"
	requestModel   = "gen_ai.request.model"
	responseModel  = "gen_ai.response.model"
	inputTokens    = "gen_ai.usage.input_tokens"
	outputTokens   = "gen_ai.usage.output_tokens"
	cachedTokens   = "gen_ai.usage.cache_read.input_tokens"
	reasonTokens   = "gen_ai.usage.reasoning.output_tokens"
	inputMessages  = "gen_ai.input.messages"  // content
	outputMessages = "gen_ai.output.messages" // content
	toolName       = "gen_ai.tool.name"
	toolCallID     = "gen_ai.tool.call.id"
	toolArguments  = "gen_ai.tool.call.arguments" // content
	toolResult     = "gen_ai.tool.call.result"    // content
	errorType      = "error.type"
	serviceName    = "service.name"
	serviceVersion = "service.version"
	sdkName        = "telemetry.sdk.name"
	sdkLanguage    = "telemetry.sdk.language"
	sdkVersion     = "telemetry.sdk.version"
)

// Names of our own.
const (
	runID       = "parallax.run.id"
	address     = "parallax.address"  // of the effect or fork
	attempts    = "parallax.attempts" // at a call
	cached      = "parallax.cached"   // true of a call that took an earlier answer
	confidence  = "parallax.confidence"
	cost        = "parallax.cost.microusd" // millionths of a US dollar
	outcome     = "parallax.outcome"       // outcomeCancelled
	forkName    = "parallax.fork.name"     // the builtin
	forkWidth   = "parallax.fork.branches"
	branchPath  = "parallax.branch"
	branchLabel = "parallax.branch.label" // content
	sleepTime   = "parallax.sleep.seconds"
	signalName  = "parallax.signal.name"
	signalValue = "parallax.signal.value" // content
	title       = "parallax.approval.title"
	choice      = "parallax.approval.choice"
	givenName   = "parallax.name"  // of a phase, gate, log line or event: as the script gave it
	givenValue  = "parallax.value" // content
	passed      = "parallax.gate.passed"
	attempt     = "parallax.attempt" // the one that failed
	pause       = "parallax.pause.seconds"

	outcomeCancelled = "cancelled"
)

// Names of events within a span.
const (
	retryEvent  = "retry"
	phaseEvent  = "phase"
	logEvent    = "log"
	emitEvent   = "emit"
	gateEvent   = "gate"
	budgetEvent = "budget"
)

// Variables of the environment. The rest of OTEL_EXPORTER_OTLP_* is read by the OTLP client.
const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envExporter       = "OTEL_TRACES_EXPORTER"
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envProtocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envTracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	envSampler        = "OTEL_TRACES_SAMPLER"
	envSamplerArg     = "OTEL_TRACES_SAMPLER_ARG"
	envService        = "OTEL_SERVICE_NAME"
	envResource       = "OTEL_RESOURCE_ATTRIBUTES"
	envContent        = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
	envLength         = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"
	envSpanLength     = "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"
	envQueue          = "OTEL_BSP_MAX_QUEUE_SIZE"
	envBatch          = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
	envDelay          = "OTEL_BSP_SCHEDULE_DELAY" // milliseconds
	envParent         = "TRACEPARENT"
)

// scope is who made the spans.
const scope = "github.com/parallax-run/parallax"
