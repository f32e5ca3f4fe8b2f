#!/usr/bin/env bash
# progress.sh COMMAND...: runs a "go build -v" and tells on the standard error how many packages it has compiled: on a terminal in
# one line that moves, elsewhere in a line for every fifty. What else it says, errors above all, passes through.
set -euo pipefail

line=0
[[ -t 2 ]] && line=1
"$@" 2>&1 | awk -v line="$line" '
	function clear() { if (line && (n || moved)) printf "\r\033[K" }
	/^[A-Za-z0-9_.\/~-]+$/ { # a package; everything else has blanks or colons
		n++
		if (line) printf "\r\033[K  %d packages compiled: %.50s", n, $0
		else if (n % 50 == 0) printf "  %d packages compiled\n", n
		fflush(); next
	}
	/^go: downloading / {
		if (line) { printf "\r\033[K  %.70s", $0; moved = 1 } else if (++d % 50 == 1) print "  " $0
		fflush(); next
	}
	{ clear(); print; fflush() }
	END { if (line && (n || moved)) printf "\r\033[K"; if (n) printf "  %d packages compiled.\n", n }
' >&2
