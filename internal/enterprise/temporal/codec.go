package temporal

import (
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/parallax-run/parallax/runtime"
)

// Converter is how values travel: as JSON, and by reference when they are over runtime.InlineBytes, so that histories stay small.
func Converter(b Blobs) converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), claimCheck{b})
}

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
			return nil, err
		}
		out[i] = new(commonpb.Payload)
		if err := proto.Unmarshal(text, out[i]); err != nil {
			return nil, fmt.Errorf("blob %s is no payload: %w", p.GetData(), err)
		}
	}
	return out, nil
}
