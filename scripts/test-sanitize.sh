#!/bin/sh
# SPDX-License-Identifier: MIT
# Unit tests under address and undefined-behaviour sanitizers, the fuzz targets for a moment, and whether both see mistakes
# that are planted in a copy of the tree. Prints one line for each.
set -u
scripts=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$scripts")
work=$(mktemp -d "${TMPDIR:-/tmp}/mmlab-sanitize.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
PKG_CONFIG_PATH=$("$scripts/libperf")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
# A case that dies on purpose dies of its signal; test-faults.py preloads a library.
ASAN_OPTIONS=handle_segv=0:verify_asan_link_order=0
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export PKG_CONFIG_PATH ASAN_OPTIONS UBSAN_OPTIONS

# Not among them: the allocator that is preloaded, because the sanitizer brings its own, and scripts in Python.
unit="axis counter crowd machine peer place procfs rank stat verdict result tcg-cache run faults compare publish result-file"

# unit_tests SOURCE BUILD TEST...
unit_tests() {
	source=$1
	folder=$2
	shift 2
	if [ ! -e "$folder/build.ninja" ]; then
		meson setup "$folder" "$source" -Db_sanitize=address,undefined -Db_lundef=false >"$work/setup" 2>&1 || {
			sed 's/^/# /' "$work/setup"
			return 1
		}
	fi
	meson test -C "$folder" --suite unit --timeout-multiplier 5 "$@" >"$work/meson" 2>&1
}

# shellcheck disable=SC2086 # words
if unit_tests "$root" "$root/build-sanitize" $unit; then
	echo "ok - unit tests under sanitizers"
else
	sed 's/^/# /' "$work/meson" "$root/build-sanitize/meson-logs/testlog.txt" | tail -n 120
	echo "not ok - unit tests under sanitizers"
fi
"$scripts/fuzz" --runs 1500

# plant FILE SED: one mistake in the copy
plant() {
	sed -i "$2" "$work/tree/$1"
	cmp -s "$root/$1" "$work/tree/$1" && echo "not ok - nothing is planted in $1 by $2"
}
mkdir "$work/tree"
(cd "$root" && git ls-files -z | xargs -0 cp --parents -t "$work/tree")
(cd "$work/tree" && git init -q .)
plant harness/procfs.c 's/char buffer\[LINE_BUFFER_BYTES\]/char buffer[64]/; s/sizeof(lines->buffer)/LINE_BUFFER_BYTES/g'
plant harness/axis.c 's/r = -ERANGE/r = 0/'
plant harness/counter-name.c 's/if (length >= sizeof(event.name))/if (length > 4096)/'
plant harness/knob.c 's/strlen(start) >= size) .*/strlen(start) > 4096)/'
plant harness/machine.c 's/while (step \* 16 <= bytes)/while (step * 16 <= bytes \&\& bytes + INT64_MAX - MAX_MEMORY_BYTES \/ 4)/; s/if (bytes > MAX_MEMORY_BYTES)/if (!bytes)/'
plant harness/table.c 's/if (json_is_string(value))$/if (value)/'
plant harness/publish/publish.c 's/!json_is_number(median) ||/(!json_is_number(median) \&\& *json_string_value(median)) ||/'
plant harness/result.c 's/if (!is_sound(.*/if (!old) {/'
plant harness/margin.c 's/!is_number(margin, "spread") ||/(!is_number(margin, "spread") \&\& !*json_string_value(json_object_get(margin, "spread"))) ||/'
plant harness/comparison.c 's/^\(\tconst json_t \*run = json_object_get(result, "run"), \*machine = .*\)$/\1\n\n\tassert(json_is_string(json_object_get(run, "id")));/; s/#include <errno.h>/#include <assert.h>\n&/'
"$work/tree/scripts/fuzz" --runs 1500 >"$work/planted" 2>&1
for target in axis compare events knob machine margins procfs publish report resume; do
	if grep -q "^not ok - fuzz $target$" "$work/planted"; then
		echo "ok - fuzz $target sees a planted mistake"
	else
		grep "fuzz $target" "$work/planted"
		echo "not ok - fuzz $target sees a planted mistake"
	fi
done
if unit_tests "$work/tree" "$work/tree/build-sanitize" procfs axis machine; then
	echo "not ok - unit tests under sanitizers see a planted mistake"
elif grep -q 'runtime error\|AddressSanitizer' "$work/tree/build-sanitize/meson-logs/testlog.txt"; then
	echo "ok - unit tests under sanitizers see a planted mistake"
else
	sed 's/^/# /' "$work/meson" "$work/setup"
	echo "not ok - unit tests under sanitizers see a planted mistake"
fi
