package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/admin"
)

// waitingOperator has transactions of others waiting for so many looks.
type waitingOperator struct {
	operator
	looks int
}

func (o *waitingOperator) waiting(context.Context) (admin.Waiting, error) {
	o.looks--
	if o.looks < 0 {
		return admin.Waiting{}, nil
	}
	since := time.Now().Add(-time.Hour)
	return admin.Waiting{Count: 2, From: 7, Since: &since}, nil
}

// transact refuses as long as something waits.
func (o *waitingOperator) transact(ctx context.Context, _ admin.Order, _ func(admin.Transaction)) (admin.Transaction, error) {
	if w, _ := o.waiting(ctx); w.Count > 0 {
		return admin.Transaction{}, problem(codeOthersWait, hintOthersWait, "another one waits")
	}
	return admin.Transaction{ID: 1}, nil
}

// Somebody at a terminal is told what waits and asked; whoever is not there has to have said it.
func TestOthersFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		flags  moneyFlags
		answer string // of somebody at a terminal
		says   string
		code   string
		looks  int // that are left
	}{
		"waits":               {moneyFlags{}, "y\n", "nonces 7 to 8), for 60 min", "", -1},
		"does not":            {moneyFlags{}, "n\n", "nonces 7 to 8), for 60 min", codeNotConfirmed, 2},
		"unasked":             {moneyFlags{yes: true}, "y\n", "", codeOthersWait, 2},
		"unasked, as JSON":    {moneyFlags{yes: true, json: true}, "", "", codeOthersWait, 2},
		"nobody there":        {moneyFlags{}, "", "", codeOthersWait, 2},
		"said before":         {moneyFlags{yes: true, wait: true}, "", "", "", -1},
		"said before, JSON":   {moneyFlags{yes: true, wait: true, json: true}, "", "", "", -1},
		"only looks":          {moneyFlags{dryRun: true}, "", "Nothing is signed before that", "", 2},
		"only looks, as JSON": {moneyFlags{dryRun: true, json: true}, "", "", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				c := newConsole(strings.NewReader(tt.answer), &out)
				if c.asks = tt.answer != ""; !c.asks {
					c.shown = false
				}
				op := &waitingOperator{looks: 3}
				err := tt.flags.othersFirst(t.Context(), c, op)
				code := ""
				if err != nil {
					code = explain(err).Code
				}
				if code != tt.code || !strings.Contains(out.String(), tt.says) || op.looks != tt.looks || tt.flags.json && out.Len() > 0 {
					t.Errorf("%v, %d looks left, said %q", err, op.looks, out.String())
				}
			})
		})
	}
}

// Another one that comes between the look and the signature is waited for as well, where that was agreed on.
func TestOthersInBetween(t *testing.T) {
	for _, wait := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			f := moneyFlags{wait: wait}
			tx, err := f.transact(t.Context(), newConsole(strings.NewReader(""), &out), &waitingOperator{looks: 4}, admin.Order{}, func(admin.Transaction) {})
			if wait && (err != nil || tx.ID != 1) || !wait && explain(err).Code != codeOthersWait {
				t.Errorf("waiting: %v; %+v, %v", wait, tx, err)
			}
		})
	}
}
