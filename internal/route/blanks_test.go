package route

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A name with blanks at its ends is the name without, for whoever asks and for whoever offers; what a message says is what was
// compared, and nothing but blanks is not the only model there is.
func TestBlanksAtTheEndsOfANameAreNotPartOfIt(t *testing.T) {
	svc := zg.Service{Provider: zg.DevnetWallet, Type: zg.Chatbot, Model: "spaced ", URL: "http://127.0.0.1:1", TEESignerAcknowledged: true}
	table := Build(&zg.Directory{Services: []zg.Service{svc}}, nil, Options{})
	mine := Build(&zg.Directory{Services: []zg.Service{svc}}, nil, Options{Allowed: []common.Address{svc.Provider}})
	if found, err := mine.Find(Query{Type: zg.Chatbot, Model: "spaced"}); err != nil || found[0].Model != svc.Model {
		t.Errorf("what is sent is not the provider's own name: %v, %v", found, err)
	}
	if _, err := mine.Find(Query{Type: zg.Chatbot, Model: " "}); err == nil {
		t.Error("a blank stands for a model")
	}
	for _, asked := range []string{"spaced", " spaced", "spaced\t"} {
		_, err := table.Find(Query{Type: zg.Chatbot, Model: asked})
		none, ok := errors.AsType[*NoOffer](err)
		if !ok || none.Reason != NotAllowed || none.Query.Model != "spaced" {
			t.Errorf("%q: %v", asked, err)
		}
	}
}
