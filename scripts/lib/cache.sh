# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# The cache shared by all clones: whatever was downloaded or took long to build. Sourced after messages.sh.
# A finished entry appears by rename, so that one that exists is complete; work in progress has a name
# that starts with a dot and is made under the entry's lock.

cache_dir=${MMLAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/mmlab}

cache_init() {
	case $cache_dir in
	*[[:space:]]*) die "the cache $cache_dir has a blank in its path, which make cannot build in: set MMLAB_CACHE to another folder" ;;
	esac
	if ! { mkdir -p "$cache_dir" && [ -w "$cache_dir" ]; } 2>/dev/null; then
		die "cannot write the cache $cache_dir; set MMLAB_CACHE to a folder with 5 GB of space"
	fi
	cache_dir=$(cd "$cache_dir" && pwd)
}

# cache_lock NAME: hold NAME until this process and everything it started has ended
cache_lock() {
	mkdir -p "$cache_dir/lock"
	exec 9>"$cache_dir/lock/$1"
	if ! flock -n 9; then
		say "another process prepares $1: waiting for it"
		flock 9
	fi
}

# cache_space MEGABYTES WHAT: refuse early instead of filling the disk
cache_space() {
	free_mb=$(df -Pm "$cache_dir" | awk 'NR == 2 { print $4 }')
	[ "$free_mb" -ge "$1" ] ||
		die "$2 needs $1 MB in $cache_dir, which has $free_mb MB left; free some or set MMLAB_CACHE to another disk"
}
