package temporal

import (
	"context"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/parallax-run/parallax/runtime"
)

// Converter is how values travel: as JSON, and by reference when they are over runtime.InlineBytes, so that histories stay small.
func Converter(b Blobs) converter.DataConverter {
	return aware{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), claimCheck{b})}
}

// FailureConverter is how errors travel: what they say in detail as Converter has it.
func FailureConverter(b Blobs) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: Converter(b)})
}

// aware tells workflows from all others.
type aware struct{ converter.DataConverter }

// WithWorkflowContext implements workflow.ContextAware.
func (a aware) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return blocking(a)
}

// WithContext implements workflow.ContextAware.
func (a aware) WithContext(context.Context) converter.DataConverter { return a }

// blocking is the converter of a workflow. What cannot be had now, a signal that is elsewhere say, may be had later: until then the workflow's task
// fails and is tried again, where the SDK would drop it.
type blocking struct{ converter.DataConverter }

// FromPayload implements converter.DataConverter.
func (b blocking) FromPayload(p *commonpb.Payload, to any) error {
	return orBlock(b.DataConverter.FromPayload(p, to))
}

// FromPayloads implements converter.DataConverter.
func (b blocking) FromPayloads(p *commonpb.Payloads, to ...any) error {
	return orBlock(b.DataConverter.FromPayloads(p, to...))
}

func orBlock(err error) error {
	if _, ok := errors.AsType[*away](err); ok {
		panic(err)
	}
	return err
}

// away says that a blob cannot be had.
type away struct{ err error }

func (e *away) Error() string { return e.err.Error() }

func (e *away) Unwrap() error { return e.err }

// claimCheck keeps large payloads outside of histories.
type claimCheck struct{ blobs Blobs }

const (
	encodingKey = "encoding"
	byReference = "binary/parallax-blob" // the data is a digest in hex
)

// Encode implements converter.PayloadCodec.
func (c claimCheck) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		out[i] = p
		if len(p.GetData()) <= runtime.InlineBytes {
			continue
		}
		text, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		digest, err := c.blobs.Put(text)
		if err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{Metadata: map[string][]byte{encodingKey: []byte(byReference)}, Data: []byte(digest)}
	}
	return out, nil
}

// Decode implements converter.PayloadCodec.
func (c claimCheck) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		out[i] = p
		if string(p.GetMetadata()[encodingKey]) != byReference {
			continue
		}
		text, err := c.blobs.Get(string(p.GetData()))
		if err != nil {
			return nil, &away{err}
		}
		out[i] = new(commonpb.Payload)
		if err := proto.Unmarshal(text, out[i]); err != nil {
			return nil, fmt.Errorf("blob %s is no payload: %w", p.GetData(), err)
		}
	}
	return out, nil
}
