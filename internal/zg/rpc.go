package zg

import "errors"

// ErrRPC means that the chain's endpoint could not be reached, or refused or garbled its answer for reasons of its own.
// It says nothing about the state of the chain, and will be gone sooner or later.
var ErrRPC = errors.New("the RPC endpoint failed")
