package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zgproxy/zgproxy/internal/private"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// message is one of a conversation, in OpenAI's form.
type message struct {
	Role    string `json:"role"`
	Content any    `json:"content"` // text, or parts
}

type part struct {
	Type  string    `json:"type"`
	Text  string    `json:"text,omitempty"`
	Image *imageURL `json:"image_url,omitempty"`
}

type imageURL struct {
	URL string `json:"url"`
}

// talk is a conversation with a model.
type talk struct {
	flags       *chatFlags
	conn        *connection
	model       string
	temperature bool // it was given
	c, beside   console
	signals     <-chan os.Signal
	ended       bool // by SIGTERM, or by the end of the terminal
	editor      *editor

	system   string
	messages []message // questions, and the answer behind each
	asked    message   // the last question, also where it was not answered; no role: none yet
	answered bool      // its answer is the last of the messages

	spent   zg.Neuron
	unknown []string // the requests whose fee was not known; "": one without an id
}

// user is what the user says, with the pictures that go with the first of it that is answered.
func (t *talk) user(text string) (message, error) {
	if len(t.flags.images) == 0 {
		return message{Role: "user", Content: text}, nil
	}
	parts := []part{{Type: "text", Text: text}}
	for _, path := range t.flags.images {
		data, err := os.ReadFile(path) //nolint:gosec // the owner names it
		if err != nil {
			return message{}, usageError{err}
		}
		kind := http.DetectContentType(data)
		if !strings.HasPrefix(kind, "image/") {
			return message{}, usageError{fmt.Errorf("%s is not a picture", path)}
		}
		parts = append(parts, part{Type: "image_url", Image: &imageURL{"data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)}})
	}
	return message{Role: "user", Content: parts}, nil
}

// errStopped means that a signal ended what was being done. Who sits at the terminal stops an answer, and goes on; whoever sends
// SIGTERM wants the end of it all.
var errStopped = errors.New("stopped")

// stoppable is ctx until the first signal, or until the function is called that comes with it; that may be called again.
func (t *talk) stoppable(ctx context.Context) (context.Context, func()) {
	ctx, stop := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-t.signals:
			t.ended = s != os.Interrupt
			stop(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { stop(nil); <-done }
}

const chatHelp = `  /model NAME   go on with another model        /models   the models there are
  /system TEXT  set the system prompt           /retry    ask the last thing again
  /cost         what this conversation cost     /save FILE  write it down
  /clear        begin a new conversation        /quit     end it (or Ctrl-D)
`

// converse holds a conversation until its end.
func (t *talk) converse(ctx context.Context) error {
	t.editor = newEditor(t.c)
	t.c.printf("%s %s\n", t.c.paint(styleHead, oneLine(t.model)), t.c.paint(styleDim, "· /help lists commands, Ctrl-C stops an answer, Ctrl-D ends"))
	for !t.ended {
		line, err := t.listen(ctx)
		if errors.Is(err, io.EOF) || errors.Is(err, errStopped) || errors.Is(err, syscall.EIO) { // EIO: the terminal is gone
			t.c.printf("\n")
			break
		}
		if err != nil {
			return err
		}
		quit := false
		switch {
		case line == "":
		case strings.HasPrefix(line, "/"):
			quit, err = t.command(ctx, line)
		default:
			var user message
			if user, err = t.user(line); err == nil {
				t.asked, t.answered = user, false
				err = t.answer(ctx)
			}
		}
		if quit {
			break
		}
		switch {
		case errors.Is(err, errStopped):
			t.c.printf("%s\n", t.c.paint(styleDim, "(stopped)"))
		case err != nil:
			t.c.printf("%s\n", t.c.paint(styleBad, errorText(err)))
		}
	}
	t.goodbye(ctx)
	return nil
}

func errorText(err error) string {
	p := explain(err)
	if p.Hint == "" {
		return p.Message
	}
	return strings.TrimSuffix(p.Message, ".") + ". " + p.Hint
}

// listen reads what the user says: lines, until one that does not end in \. A signal ends it.
func (t *talk) listen(ctx context.Context) (string, error) {
	ctx, stop := t.stoppable(ctx)
	defer stop()
	var all []string
	for prompt := styled("> "); ; prompt = "… " {
		line, err := t.editor.line(ctx, t.c, t.c.coloured(styleHead, prompt))
		if err != nil {
			return "", err
		}
		text, more := strings.CutSuffix(line, `\`)
		if all = append(all, text); !more {
			return strings.TrimSpace(strings.Join(all, "\n")), nil
		}
	}
}

// answer has the last question answered, once more where it was answered already. As long as there is no answer, or no new
// one, the conversation stays as it was. What came of an answer that was stopped is one.
func (t *talk) answer(ctx context.Context) error {
	before := t.messages
	if t.answered {
		before = before[:len(before)-2]
	}
	before = slices.Clip(before)
	r, err := t.ask(ctx, append(before, t.asked), true)
	if err != nil && (!errors.Is(err, errStopped) || r.Answer == "") {
		return err
	}
	t.messages, t.answered = append(before, t.asked, message{Role: "assistant", Content: r.Answer}), true
	t.flags.images = nil
	if err != nil {
		return err
	}
	if !strings.HasSuffix(r.Answer, "\n") {
		t.c.printf("\n")
	}
	t.tell(&r)
	return nil
}

// tell says what became of an answer.
func (t *talk) tell(r *chatReport) {
	if r.FinishReason == "length" {
		t.beside.printf("%s\n", t.beside.paint(styleWarn, "(cut off at the limit of tokens)"))
	}
	r.Outcome.tell(t.beside)
}

// command does what a line that begins with / says.
func (t *talk) command(ctx context.Context, line string) (quit bool, err error) {
	name, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch name {
	case "/help", "/?":
		t.c.printf(chatHelp)
	case "/quit", "/exit", "/q":
		return true, nil
	case "/model":
		if rest != "" {
			asking, stop := t.stoppable(ctx)
			defer stop()
			if err := t.knows(asking, rest); err != nil {
				return false, err
			}
			t.model = rest
		}
		t.c.printf("%s\n", oneLine(t.model))
	case "/models":
		asking, stop := t.stoppable(ctx)
		defer stop()
		list, err := t.conn.models(asking, zg.Chatbot)
		if err != nil {
			return false, err
		}
		printModels(t.c, &list)
	case "/system":
		t.system = rest
	case "/clear":
		t.messages, t.asked, t.answered = nil, message{}, false
	case "/retry":
		if t.asked.Role == "" {
			return false, errors.New("nothing has been asked yet")
		}
		return false, t.answer(ctx)
	case "/cost":
		t.c.printf("%s\n", t.cost(ctx))
	case "/save":
		if rest == "" {
			return false, errors.New("/save FILE")
		}
		if err := private.Write(rest, t.transcript(), false); err != nil {
			return false, err
		}
		t.c.printf("%s\n", t.c.paint(styleDim, "written to "+rest))
	default:
		return false, fmt.Errorf("there is no %s; /help lists what there is", oneLine(name))
	}
	return false, nil
}

// transcript is the conversation as Markdown.
func (t *talk) transcript() []byte {
	var b bytes.Buffer
	for _, m := range t.history(t.messages) {
		text, ok := m.Content.(string)
		if parts, many := m.Content.([]part); many {
			text, ok = parts[0].Text+"\n\n(with a picture)", true
		}
		if ok {
			fmt.Fprintf(&b, "## %s\n\n%s\n\n", m.Role, text)
		}
	}
	return b.Bytes()
}

// history is a conversation with the system prompt before it.
func (t *talk) history(messages []message) []message {
	if t.system == "" {
		return messages
	}
	return append([]message{{Role: "system", Content: t.system}}, messages...)
}

// bookPatience is how long the daemon is waited for when it is asked what something has cost.
const bookPatience = 2 * time.Second

// book adds what an answer cost, also one that broke off or was stopped: the provider has it paid.
func (t *talk) book(o *requestOutcome) {
	if o.Fee == nil {
		t.unknown = append(t.unknown, o.RequestID)
		return
	}
	t.spent = t.spent.Add(o.Fee.Neuron)
}

// cost is what the conversation cost, as far as it is known by now.
func (t *talk) cost(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, bookPatience)
	defer cancel()
	ids := t.unknown
	t.unknown = nil
	for _, id := range ids {
		o := requestOutcome{RequestID: id}
		t.conn.recorded(ctx, &o)
		t.book(&o)
	}
	text := t.spent.Og() + " 0G"
	if n := len(t.unknown); n > 0 {
		text += ", without " + plural(n, "answer") + " whose cost is not known here yet (zgproxy usage)"
	}
	return text
}

func (t *talk) goodbye(ctx context.Context) {
	if cost := t.cost(ctx); !t.spent.IsZero() || len(t.unknown) > 0 {
		t.beside.printf("%s\n", t.beside.paint(styleDim, "This conversation cost "+cost+"."))
	}
	if moved := t.conn.purse.all().inWords(); moved != "" {
		t.beside.printf("%s\n", t.beside.paint(styleDim, moved))
	}
}
