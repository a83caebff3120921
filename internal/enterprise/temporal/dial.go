package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
)

// Connection says where a cluster is. What is "" comes from the environment, as Temporal's own tools read it: TEMPORAL_ADDRESS,
// TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_..., or a profile of temporal.toml.
type Connection struct {
	Address   string // host:port
	Namespace string
	Blobs     Blobs
	Log       *slog.Logger
}

// dialTime is how long a server may take to answer at first.
const dialTime = 10 * time.Second

// Dial connects to a cluster, and sees to it that the namespace is there. Errors are *DialError.
func Dial(ctx context.Context, to Connection) (*Client, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{})
	if err != nil {
		return nil, &DialError{Kind: BadSettings, Err: err}
	}
	options.HostPort = cmp.Or(to.Address, options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(to.Namespace, options.Namespace, client.DefaultNamespace)
	options.DataConverter, options.FailureConverter = Converter(to.Blobs), FailureConverter(to.Blobs)
	options.Logger = log.NewStructuredLogger(to.Log)
	options.ConnectionOptions.GetSystemInfoTimeout = dialTime
	failed := func(err error) error { return &DialError{KindOf(err), options.HostPort, options.Namespace, err} }
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, failed(err)
	}
	if _, err := conn.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: options.Namespace}); err != nil {
		conn.Close()
		return nil, failed(err)
	}
	return &Client{Temporal: conn, Namespace: options.Namespace, Address: options.HostPort, convert: options.DataConverter}, nil
}

// Close ends the connection.
func (c *Client) Close() { c.Temporal.Close() }

// DialError says why there is no connection to a cluster.
type DialError struct {
	Kind      Kind
	Address   string
	Namespace string
	Err       error
}

func (e *DialError) Error() string {
	switch e.Kind {
	case BadSettings:
		return fmt.Sprintf("the settings of the connection to Temporal: %v", e.Err)
	case NoNamespace:
		return fmt.Sprintf("the Temporal server at %s has no namespace %q", e.Address, e.Namespace)
	case Denied:
		return fmt.Sprintf("the Temporal server at %s does not let us in: %v", e.Address, e.Err)
	case Away:
		return fmt.Sprintf("no Temporal server answers at %s: %v", e.Address, e.Err)
	case Other, NoRun, Exists:
	}
	return fmt.Sprintf("the Temporal server at %s: %v", e.Address, e.Err)
}

func (e *DialError) Unwrap() error { return e.Err }

// Kind says what an error of a cluster is about.
type Kind uint8

// Kinds of errors.
const (
	Other       Kind = iota
	BadSettings      // of the connection
	Away             // no server answers
	Denied           // the server knows us, or does not, and says no
	NoNamespace
	NoRun  // or none that goes on
	Exists // a run of that id was started before
)

// KindOf says what an error of a cluster is about.
func KindOf(err error) Kind {
	switch {
	case is[*serviceerror.NamespaceNotFound](err):
		return NoNamespace
	case is[*serviceerror.NotFound](err):
		return NoRun
	case is[*serviceerror.WorkflowExecutionAlreadyStarted](err):
		return Exists
	case is[*serviceerror.PermissionDenied](err), is[*serviceerror.NamespaceInvalidState](err):
		return Denied
	case is[*serviceerror.Unavailable](err), is[*serviceerror.DeadlineExceeded](err), errors.Is(err, context.DeadlineExceeded):
		return Away
	}
	return Other
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
