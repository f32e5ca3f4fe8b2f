package main

import "github.com/zgproxy/zgproxy/internal/zg"

var verifyReceipt = func(r zg.AnswerReceipt, _, _ []byte) finding { return finding{OK: true, Verdict: r.Verdict} }
