# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Messages and argument errors, the same way in every script. Sourced.
# All of them go to stderr: stdout belongs to the result.

say() {
	printf 'mmlab: %s\n' "$*" >&2
}

# die MESSAGE...: what was wrong, with what, what to do; exit 1
die() {
	say "$@"
	exit 1
}

# bad_usage MESSAGE...: the caller's mistake; exit 2
bad_usage() {
	say "$* (see ${0##*/} --help)"
	exit 2
}
