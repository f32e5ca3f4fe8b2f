// Package zg holds the words of the 0G Compute Network as zgproxy speaks them: amounts, services, accounts, prices,
// usage, fees and verdicts. It is the leaf of the import tree.
//
// It never does I/O, never logs, starts nothing and keeps no state; every type here is a plain value.
package zg
