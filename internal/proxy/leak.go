package proxy

import (
	"net/http"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// leakHeader is how much of a header's value is looked at. Longer ones are left out anyway.
const leakHeader = 2 << 10

// cleanHeader takes out of an answer's header what tells the credential, in its name or its values.
func cleanHeader(h http.Header, sent zg.Credential) {
	for name, values := range h {
		told := sent.In(name)
		for _, v := range values {
			told = told || sent.In(v[:min(len(v), leakHeader)])
		}
		if told {
			delete(h, name)
		}
	}
}
