package simprovider

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestFaultAskedForByTheChat(t *testing.T) {
	s := start(t, nil)
	s.post(chatPath, chatBody("echo-1", "please fault:no-usage, thank you", "")).must(t)
	if e := s.last(1); e.Fault != NoUsage || e.Usage.Seen || e.Fee != testPrice.Output.Mul(4) {
		t.Errorf("exchange = %+v, want four words billed", e)
	}
	s.post(chatPath, chatBody("echo-1", "fault:server-error", "")).wants(t, http.StatusInternalServerError, "model server")
	s.post(chatPath, chatBody("echo-1", "a fault of no kind", "")).must(t)
	if e := s.last(3); e.Fault != NoFault || !e.Usage.Seen {
		t.Errorf("exchange = %+v, want no fault", e)
	}
}

func TestUsageAsALie(t *testing.T) {
	s := start(t, nil)
	const lie = `{"prompt_tokens":-1,"completion_tokens":1e99}`
	s.SetFault(Fault{Kind: WrongUsage, Body: lie})
	for i, more := range []string{"", streamed} {
		if a := s.post(chatPath, chatBody("echo-1", "one two", more)).must(t); !strings.Contains(a.body, `"usage":`+lie) {
			t.Errorf("answer = %s, want the usage as given", a.body)
		}
		if e := s.last(i + 1); e.Usage.OutputTokens != 2 {
			t.Errorf("billed %+v, want the truth", e.Usage)
		}
	}
}

func TestUnsettledReply(t *testing.T) {
	s := start(t, nil)
	path := "/v1/user/" + s.user.Hex() + "/unsettledfee"
	s.SetUnsettledReply(`{"unsettledFee":"-1"}`)
	s.get(path).wants(t, http.StatusOK, `"-1"`)
	s.SetUnsettledReply("")
	s.get(path).wants(t, http.StatusOK, `"unsettledFee":"0"`)
}

// What is owed and what is on record outlive the provider, as they do with real ones.
func TestRestart(t *testing.T) {
	s := start(t, nil)
	s.post(chatPath, chatBody("echo-1", "one two", "")).must(t)
	before := s.Unsettled(s.user)
	again, err := s.Restart()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
	if again.URL() != s.URL() || again.Unsettled(s.user) != before || before.IsZero() || again.Billed(s.user) != before {
		t.Errorf("after the restart %s at %s is owed %s of %s, want %s at %s", again.Address(), again.URL(), again.Unsettled(s.user), again.Billed(s.user), before, s.URL())
	}
	if all, n := again.ExchangesSince(0); n != 1 || len(all) != 1 || again.Active() != 0 {
		t.Errorf("%d exchanges on record, %d finished; want one", len(all), n)
	}
	if none, _ := again.ExchangesSince(1); len(none) != 0 {
		t.Errorf("since the first: %+v, want none", none)
	}
	again.Bill(s.user, zg.OneOG)
	if got := again.Billed(s.user); got != before.Add(zg.OneOG) {
		t.Errorf("billed %s", got)
	}
}
