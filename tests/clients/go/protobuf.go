package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	crd "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// sample is an object as JSON and as protobuf.
type sample struct {
	JSON     json.RawMessage
	Protobuf []byte
}

// answer is what Kubernetes makes of a sample: the JSON of either side, and its own protobuf. Without JSON it does not
// know the kind.
type answer struct {
	FromJSON, FromProtobuf json.RawMessage
	Protobuf               []byte
	Error                  string
}

// compareProtobuf answers the samples on the standard input, one JSON document each.
func compareProtobuf() error {
	if err := crd.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var given sample
		if err := in.Decode(&given); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(compared(given)); err != nil {
			return err
		}
	}
}

// compared decodes both sides of a sample as Kubernetes does.
func compared(given sample) answer {
	text := serializer.NewCodecFactory(scheme.Scheme).UniversalDeserializer()
	binary := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	wanted, gvk, err := text.Decode(given.JSON, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return answer{}
	} else if err != nil {
		return answer{Error: err.Error()}
	}
	got, _, err := binary.Decode(given.Protobuf, nil, nil)
	if err != nil {
		return answer{Error: err.Error()}
	}
	got.GetObjectKind().SetGroupVersionKind(*gvk)
	var own bytes.Buffer
	if err := binary.Encode(wanted, &own); err != nil {
		return answer{Error: err.Error()}
	}
	fromJSON, _ := json.Marshal(wanted)
	fromProtobuf, _ := json.Marshal(got)
	return answer{FromJSON: fromJSON, FromProtobuf: fromProtobuf, Protobuf: own.Bytes()}
}
