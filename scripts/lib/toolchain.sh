# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # sourced; cache_dir comes from cache.sh, archive_dir from debian-archive.sh
# A compiler of another Debian release, unpacked and never installed. Its programs, and the tools that come with that release's
# kernels, need a newer C library than this machine has: each is put behind a script that starts it with the loader and the
# libraries of its own release. Nothing here names an absolute path, so that a cache can be moved.
# Sourced after messages.sh, cache.sh and debian-archive.sh.

# wrap_programs FOLDER TOOLCHAIN: puts a script in the place of every program below FOLDER that must have the libraries in
# TOOLCHAIN. Programs without a loader (statically linked ones, objects, libraries) stay as they are.
wrap_programs() {
	find "$1" -type f -perm -u+x ! -name '*.so*' ! -name '.*.wrapped' | while read -r program; do
		LC_ALL=C head -c 4 "$program" | grep -q "$(printf '^\177ELF')" || continue
		grep -qaF /lib64/ld-linux-x86-64.so.2 "$program" || continue
		folder=${program%/*}
		name=${program##*/}
		up=$(realpath -m --relative-to="$folder" "$2/usr/lib/x86_64-linux-gnu")
		mv "$program" "$folder/.$name.wrapped"
		# The program finds what belongs to it, such as the passes of a compiler, by the name that it was called by.
		cat >"$program" <<-EOT
			#!/bin/sh
			here=\${0%/*}
			exec "\$here/$up/ld-linux-x86-64.so.2" --library-path "\$here/$up" --argv0 "\$0" "\$here/.$name.wrapped" "\$@"
		EOT
		chmod 755 "$program"
	done
}

# toolchain_fetch COMPILER: COMPILER is a package such as gcc-14. Sets $toolchain to the folder; its programs are in usr/bin and
# begin with x86_64-linux-gnu-. Call with the package lists read and the archive lock held.
toolchain_fetch() {
	major=${1#gcc-}
	package=$1-x86-64-linux-gnu
	version=$(apt-cache show --no-all-versions "$package" 2>/dev/null | sed -n 's/^Version: //p')
	[ -n "$version" ] || die "no package $package at $archive_uri ($archive_release): the kernel's headers ask for $1"
	toolchain=$cache_dir/toolchain/${1}_$version
	[ ! -d "$toolchain" ] || return 0
	cache_space 500 "the compiler $1"
	say "getting Debian's compiler $1 $version (about 45 MB)"
	new=$cache_dir/toolchain/.$1.new
	rm -rf "$new"
	mkdir -p "$new/deb" "$new/root"
	(
		cd "$new/deb"
		archive_download "$package" "cpp-$major-x86-64-linux-gnu" "libgcc-$major-dev" binutils-x86-64-linux-gnu libbinutils \
			libctf0 libctf-nobfd0 libsframe1 libc6 libgcc-s1 libstdc++6 libgmp10 libisl23 libmpc3 libmpfr6 libjansson4 libzstd1 \
			zlib1g libelf1t64 libssl3t64
		for deb in *.deb; do
			dpkg-deb -x "$deb" "$new/root" || die "cannot unpack $deb (disk full?)"
		done
	) || exit 1
	rm -rf "$new/root/usr/share"
	wrap_programs "$new/root/usr/bin" "$new/root"
	wrap_programs "$new/root/usr/libexec" "$new/root"
	# Where the compiler looks for its assembler and linker before it takes the machine's.
	mkdir -p "$new/root/usr/x86_64-linux-gnu/bin"
	for tool in as ld; do
		# shellcheck disable=SC2016 # expanded when it runs
		printf '#!/bin/sh\nexec "${0%%/*}/../../bin/x86_64-linux-gnu-%s" "$@"\n' $tool >"$new/root/usr/x86_64-linux-gnu/bin/$tool"
		chmod 755 "$new/root/usr/x86_64-linux-gnu/bin/$tool"
	done
	"$new/root/usr/bin/x86_64-linux-gnu-$1" --version >"$new/version" 2>&1 || {
		sed 's/^/mmlab:   /' "$new/version" >&2
		die "the compiler $1 was unpacked and does not run"
	}
	mv "$new/root" "$toolchain"
	rm -rf "$new"
}
