package trace

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// Env is what the standard variables of the environment ask for.
type Env struct {
	Content bool   // content of messages is wanted
	Limit   int    // bytes of one text; zero means no wish
	Caller  string // traceparent of whoever started this process

	lookup func(string) (string, bool)
	ratio  float64 // of runs that are traced
	queue  int
	batch  int
	delay  time.Duration
}

// Asked says what the environment asks for: nil when it asks for no traces. They are asked for by an OTLP endpoint, or by naming otlp as exporter.
func Asked(lookup func(string) (string, bool)) (*Env, error) {
	e := &Env{lookup: lookup, ratio: 1}
	if strings.EqualFold(e.get(envDisabled), "true") || !e.wanted() {
		return nil, nil
	}
	for name := range strings.SplitSeq(e.get(envExporter), ",") {
		switch name = strings.TrimSpace(name); name {
		case "", "otlp":
		case "none":
			return nil, nil
		default:
			return nil, fmt.Errorf("%s=%s is not spoken here; otlp and none are", envExporter, name)
		}
	}
	for _, name := range []string{envEndpoint, envTracesEndpoint} {
		if u, err := url.Parse(e.get(name)); err != nil || e.get(name) != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("%s is no URL such as http://localhost:4318", name)
		}
	}
	switch p := e.protocol(); p {
	case "http/protobuf", "grpc":
	default:
		return nil, fmt.Errorf("%s=%s is not spoken here; http/protobuf and grpc are", envProtocol, p)
	}
	if err := e.sampler(); err != nil {
		return nil, err
	}
	switch strings.ToLower(e.get(envContent)) {
	case "true", "span_only", "span_and_event":
		e.Content = true
	}
	e.Limit = e.number(envSpanLength, e.number(envLength, 0))
	e.queue, e.batch = e.number(envQueue, 16_384), e.number(envBatch, 512)
	e.delay = time.Duration(e.number(envDelay, 100)) * time.Millisecond
	e.Caller = e.get(envParent)
	return e, nil
}

func (e *Env) wanted() bool {
	return e.get(envEndpoint) != "" || e.get(envTracesEndpoint) != "" || e.get(envExporter) != ""
}

func (e *Env) get(name string) string {
	v, _ := e.lookup(name)
	return strings.TrimSpace(v)
}

// number reads a count from 1.
func (e *Env) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(e.get(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

func (e *Env) protocol() string {
	for _, name := range []string{envTracesProtocol, envProtocol} {
		if p := e.get(name); p != "" {
			return p
		}
	}
	return "http/protobuf"
}

func (e *Env) sampler() error {
	switch name := e.get(envSampler); name {
	case "", "always_on", "parentbased_always_on":
	case "always_off", "parentbased_always_off":
		e.ratio = 0
	case "traceidratio", "parentbased_traceidratio":
		arg := e.get(envSamplerArg)
		if arg == "" {
			return nil
		}
		v, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(v >= 0 && v <= 1) {
			return fmt.Errorf("%s=%s is not between 0 and 1", envSamplerArg, arg)
		}
		e.ratio = v
	default:
		return fmt.Errorf("%s=%s is not known here; always_on, always_off and traceidratio are", envSampler, name)
	}
	return nil
}

// Samples says whether a run is traced. It says the same of a run that is resumed.
func (e *Env) Samples(run string) bool {
	if e.ratio >= 1 {
		return true
	}
	return binary.BigEndian.Uint64(traceOf(run)[8:])>>1 < uint64(e.ratio*(1<<63))
}

// Open makes the queue that exports spans. Version is that of this program.
func (e *Env) Open(ctx context.Context, version string) (*Queue, error) {
	client := e.client()
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	q := &Queue{
		client: client, resource: e.resource(version), version: version,
		most: e.queue, batch: e.batch, delay: e.delay, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	ctx, q.abort = context.WithCancel(context.WithoutCancel(ctx)) // a run that is interrupted is exported too; Close ends it
	go q.run(ctx)
	return q, nil
}

// client reads the rest of the environment by itself.
func (e *Env) client() otlptrace.Client {
	const first, longest, inAll = 300 * time.Millisecond, 3 * time.Second, 20 * time.Second
	if e.protocol() == "grpc" {
		return otlptracegrpc.NewClient(otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: first, MaxInterval: longest, MaxElapsedTime: inAll,
		}))
	}
	return otlptracehttp.NewClient(otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: first, MaxInterval: longest, MaxElapsedTime: inAll,
	}))
}

// resource says who exports.
func (e *Env) resource(version string) *resourcepb.Resource {
	all := map[string]string{
		serviceName: "parallax", serviceVersion: version, sdkName: "parallax", sdkLanguage: "go", sdkVersion: version,
	}
	for pair := range strings.SplitSeq(e.get(envResource), ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		if key != "" {
			all[key] = value
		}
	}
	if name := e.get(envService); name != "" {
		all[serviceName] = name
	}
	list := make([]*commonpb.KeyValue, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, text(key, all[key]))
	}
	return &resourcepb.Resource{Attributes: attrs(list...)}
}
