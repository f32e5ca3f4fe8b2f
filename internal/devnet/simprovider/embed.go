package simprovider

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"

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
	body, err := x.readBody()
	if err != nil {
		return err
	}
	var req struct {
		Model  string `json:"model"`
		Input  any    `json:"input"`
		Format string `json:"encoding_format"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return refuse("validate request: invalid JSON: " + err.Error())
	}
	if err := x.admit(req.Model); err != nil {
		return err
	}
	var texts []string
	switch in := req.Input.(type) {
	case string:
		texts = []string{in}
	case []any:
		for _, v := range in {
			s, ok := v.(string)
			if !ok {
				return modelError(http.StatusBadRequest, "BadRequestError", "input must be a string or a list of strings")
			}
			texts = append(texts, s)
		}
	}
	if len(texts) == 0 {
		return modelError(http.StatusBadRequest, "BadRequestError", "input must not be empty")
	}
	var (
		used uint64
		data []vector
	)
	for i, text := range texts {
		used += max(1, countTokens(text))
		v := vector{Object: "embedding", Index: i}
		if floats := embedding(text); req.Format == "base64" {
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
	if x.fault.Kind != NoUsage {
		told := x.reported(billed)
		reply["usage"] = map[string]any{"prompt_tokens": told.Prompt, "total_tokens": told.Total}
	}
	answer := encodePlain(reply)
	x.attest(x.record.RequestSHA256, digest(answer))
	x.bill(billed)
	x.deliver("application/json", answer)
	return nil
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
