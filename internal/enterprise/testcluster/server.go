//go:build linux

package testcluster

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/durationpb"
)

var (
	//go:embed temporal.yaml
	configText string
	//go:embed dynamic.yaml
	dynamicText []byte
)

// plugin is Temporal's name for PostgreSQL behind the driver that it recommends.
const plugin = "postgres12_pgx"

// writeConfig writes what the server reads at each start.
func (c *Cluster) writeConfig() error {
	form, err := template.New("temporal.yaml").Parse(configText)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.dynamicFile(), dynamicText, 0o600); err != nil {
		return err
	}
	password, err := c.password()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(c.configFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(form.Execute(file, c.settings(password)), file.Close())
}

// settings fills the form of temporal.yaml. Each of the four services has a pool of each store.
func (c *Cluster) settings(password string) map[string]any {
	service := func(name string, rpc, members port) map[string]any {
		return map[string]any{"Name": name, "Port": c.ports[rpc], "Members": c.ports[members]}
	}
	store := func(name, database string, connections int) map[string]any {
		return map[string]any{"Name": name, "Database": database, "Connections": connections}
	}
	return map[string]any{
		"Host":     loopback,
		"Frontend": c.Addr(),
		"Postgres": c.ports.addr(postgres),
		"Plugin":   plugin,
		"User":     databaseUser,
		"Password": password,
		"Dynamic":  c.dynamicFile(),
		"Stores":   []any{store("main", mainDatabase, 20), store("search", searchDatabase, 10)},
		"Services": []any{
			service("frontend", frontend, frontendMembers),
			service("matching", matching, matchingMembers),
			service("history", history, historyMembers),
			service("worker", worker, workerMembers),
		},
	}
}

func (c *Cluster) configFile() string  { return filepath.Join(c.dir, "temporal.yaml") }
func (c *Cluster) dynamicFile() string { return filepath.Join(c.dir, "dynamic.yaml") }

// startServer starts the server and returns when its frontend answers.
func (c *Cluster) startServer(ctx context.Context) error {
	if pid := c.server.pid(); pid != 0 {
		return fmt.Errorf("the Temporal server runs already, as process %d", pid)
	}
	p, err := command{
		path:  c.programs.server,
		args:  []string{"--config-file", c.configFile(), "--allow-no-auth", "start"},
		dir:   c.dir,
		log:   filepath.Join(c.dir, "temporal.log"),
		death: unix.SIGKILL,
	}.begin(ctx)
	if err != nil {
		return err
	}
	c.server = p
	return c.asking(ctx, func(ctx context.Context, s workflowservice.WorkflowServiceClient) error {
		_, err := s.GetClusterInfo(ctx, &workflowservice.GetClusterInfoRequest{})
		return err
	})
}

// AddNamespace registers a namespace, which keeps what has ended for a day, and returns when it can be used. One that is there
// already is as good.
func (c *Cluster) AddNamespace(ctx context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.asking(ctx, func(ctx context.Context, s workflowservice.WorkflowServiceClient) error {
		_, err := s.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace:                        name,
			WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		if _, ok := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); ok {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("register the namespace %s: %w", name, err)
	}
	return c.waitNamespace(ctx, name)
}

// shardProbes are enough workflows that nobody started for each of the four shards to be asked for one, nearly always.
const shardProbes = 16

// waitNamespace asks for workflows that nobody started: that one is not found is said by the shard that would have it, so frontend and
// history know the namespace. Then it asks matching for a task queue.
func (c *Cluster) waitNamespace(ctx context.Context, name string) error {
	return c.asking(ctx, func(ctx context.Context, s workflowservice.WorkflowServiceClient) error {
		for i := range shardProbes {
			_, err := s.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
				Namespace: name,
				Execution: &common.WorkflowExecution{WorkflowId: fmt.Sprintf("probe-%d", i)},
			})
			if _, ok := errors.AsType[*serviceerror.NotFound](err); !ok {
				return fmt.Errorf("namespace %s: %w", name, err)
			}
		}
		_, err := s.DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace:     name,
			TaskQueue:     &taskqueue.TaskQueue{Name: "probe"},
			TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
		})
		return err
	})
}

// asking calls ask until it succeeds, over a connection of its own.
func (c *Cluster) asking(ctx context.Context, ask func(context.Context, workflowservice.WorkflowServiceClient) error) error {
	conn, err := client.NewLazyClient(client.Options{
		HostPort: c.Addr(),
		Logger:   log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	return c.server.ready(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		return ask(ctx, conn.WorkflowService())
	})
}
