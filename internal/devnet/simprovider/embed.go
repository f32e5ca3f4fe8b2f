package simprovider

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"slices"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// dimensions of the vectors, which come from a digest of the text: equal texts have equal vectors, nothing more.
const dimensions = 16

type vector struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

func (x *exchange) embed() error {
	var req struct {
		Model  string `json:"model"`
		Input  any    `json:"input"`
		Format string `json:"encoding_format"`
	}
	if _, err := x.readJSON(&req); err != nil {
		return err
	}
	if err := x.admit(req.Model); err != nil {
		return err
	}
	if x.fault.Raw != nil {
		x.raw(x.record.RequestSHA256)
		return nil
	}
	inputs := embeddingInputs(req.Input)
	if len(inputs) == 0 {
		return modelError(http.StatusBadRequest, "BadRequestError", "input must not be empty, and be a string, a list of strings, of token ids, or of lists of token ids")
	}
	var (
		used, guessed uint64
		data          []vector
	)
	for i, in := range inputs {
		used += in.tokens
		guessed += in.guess
		v := vector{Object: "embedding", Index: i}
		if floats := embedding(in.text); req.Format == "base64" {
			raw := make([]byte, 0, 4*dimensions)
			for _, f := range floats {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
			}
			v.Embedding = base64.StdEncoding.EncodeToString(raw)
		} else {
			v.Embedding = floats
		}
		data = append(data, v)
	}
	reply := map[string]any{"object": "list", "model": req.Model, "data": data}
	billed := zg.Usage{Seen: true, InputTokens: used}
	if x.fault.Kind == NoUsage {
		billed = zg.Usage{InputTokens: guessed}
	} else {
		told := x.reported(billed)
		reply["usage"] = map[string]any{"prompt_tokens": told.Prompt, "total_tokens": told.Total}
	}
	x.answer(x.record.RequestSHA256, "application/json", encodePlain(reply), billed)
	return nil
}

// embeddingInput is one text or list of token ids, which stands for itself; guess is how many tokens it is taken for
// where nobody counts them.
type embeddingInput struct {
	text          string
	tokens, guess uint64
}

// embeddingInputs are what a request wants vectors of, or nothing when one of them is neither text nor token ids.
func embeddingInputs(input any) []embeddingInput {
	list, ok := input.([]any)
	if !ok || len(list) > 0 && isNumber(list[0]) {
		list = []any{input}
	}
	var inputs []embeddingInput
	for _, one := range list {
		switch v := one.(type) {
		case string:
			inputs = append(inputs, embeddingInput{v, max(1, countTokens(v)), zg.EstimateTokens(v)})
		case []any:
			if len(v) == 0 || slices.ContainsFunc(v, func(id any) bool { return !isNumber(id) }) {
				return nil
			}
			inputs = append(inputs, embeddingInput{string(encode(v)), uint64(len(v)), uint64(len(v))})
		default:
			return nil
		}
	}
	return inputs
}

func isNumber(v any) bool {
	_, ok := v.(float64)
	return ok
}

// embedding is a unit vector.
func embedding(text string) []float32 {
	sum := sha256.Sum256([]byte(text))
	v, length := make([]float32, dimensions), 0.0
	for i := range v {
		f := float64(binary.LittleEndian.Uint16(sum[2*i:]))/math.MaxUint16 - 0.5
		v[i], length = float32(f), length+f*f
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(length))
	}
	return v
}
