package conns

const (
	// ownFiles is what the daemon has open for itself: the spend store, its log, the listeners, connections to endpoints
	// of the chain, and looking up names.
	ownFiles = 40
	// OperatorFiles is how many descriptors are kept for the operator's connections.
	OperatorFiles = 8
	// OperatorConns is how many connections each of the operator's listeners has at most.
	OperatorConns = 32

	mostConns  = 8192
	leastConns = 4
)

// Shares divides the descriptors that a process may have: connections of callers, and connections to providers. Each
// caller may need one of those.
func Shares(files uint64) (callers, out int) {
	left := int(min(files, 1<<20)) - ownFiles - OperatorFiles
	callers = min(max(left/2, leastConns), mostConns)
	out = min(max(left-callers, leastConns), mostConns)
	return callers, out
}
