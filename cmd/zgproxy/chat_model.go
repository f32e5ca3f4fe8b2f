package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// pickModel is the model that was named, or the only one, or where somebody is there to answer, the one that is chosen of
// several. Nothing chooses none: each has its price.
func (t *talk) pickModel(ctx context.Context) (string, error) {
	if t.flags.model != "" || t.flags.json || !t.c.asks || !t.c.shown {
		return t.conn.pickModel(ctx, t.flags.model, zg.Chatbot)
	}
	list, err := t.conn.models(ctx, zg.Chatbot)
	if err != nil {
		return "", err
	}
	if len(list.Data) < 2 {
		return onlyModel(&list, zg.Chatbot)
	}
	var tab table
	tab.head("", "MODEL", "PRICE IN 0G", "PROVIDERS")
	for i := range list.Data {
		m, price := &list.Data[i], "-"
		if len(m.X0G) > 0 {
			price = offeredPrice(&m.X0G[0])
		}
		tab.row(strconv.Itoa(i+1), oneLine(m.ID), price, strconv.Itoa(len(m.X0G)))
	}
	t.c.show(&tab)
	for {
		answer, err := t.c.line(ctx, sprintf("Which model (1-%d, or its name): ", len(list.Data)))
		if err != nil {
			return "", err
		}
		answer = strings.TrimSpace(answer)
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(list.Data) {
			return list.Data[n-1].ID, nil
		}
		if answer == "" {
			continue
		}
		if err := t.knows(ctx, answer); err != nil {
			t.c.printf("%s\n", t.c.paint(styleWarn, errorText(err)))
			continue
		}
		return answer, nil
	}
}

// knows checks a model's name before anything is asked of it, by the daemon, which understands names as those of requests. Its
// operator's side also knows which of them this conversation can be served by.
func (t *talk) knows(ctx context.Context, name string) error {
	if t.conn.records == nil {
		return t.conn.knows(ctx, name)
	}
	var e explainReport
	if err := t.conn.records.Explain(ctx, route.Query{Type: zg.Chatbot, Model: name, Pin: t.flags.provider}, &e); err != nil {
		return err
	}
	if e.Reason == "" {
		return nil
	}
	return problem(codeNotFound, "/models lists those that there are.", "no model that you can use is called %q (%s)", oneLine(name), e.Reason)
}
