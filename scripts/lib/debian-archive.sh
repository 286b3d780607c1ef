# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # sourced; cache_dir comes from cache.sh
# Debian packages that are read but never installed, through an apt configuration of our own: its lists, its cache, its
# sources. The mirror and the keys are those of the machine, and signatures are checked as always.
# Sourced after messages.sh and cache.sh.

# What holds the kernels: the release that ships 6.1 has 6.12 beside it; newer ones are in a newer release's backports.
archive_release=bookworm
archive_type=deb
# Whose packages are wanted: that of this machine, or another one's, to cross-compile for it.
archive_arch=amd64

# Prints "URI SUITE COMPONENT KEYRING" for every binary source of this machine; "-" for no keyring.
archive_machine_sources() {
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$file" ] || continue
		awk '
			$1 == "deb" {
				key = "-"
				line = $0
				sub(/#.*/, "", line)
				if (match(line, /\[[^]]*\]/)) {
					options = substr(line, RSTART + 1, RLENGTH - 2)
					line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
					n = split(options, option, " ")
					for (i = 1; i <= n; i++)
						if (sub(/^signed-by=/, "", option[i]))
							key = option[i]
				}
				n = split(line, word, " ")
				for (i = 4; i <= n; i++)
					print word[2], word[3], word[i], key
			}' "$file"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		awk '
			function flush_stanza(   u, s, c, i, j, k, nu, ns, nc, key) {
				key = value["signed-by"]
				gsub(/^[ \t]+|[ \t]+$/, "", key)
				if (key !~ /^\/[^ ]*$/)
					key = "-"
				if (value["types"] ~ /(^|[ \t])deb([ \t]|$)/ && value["enabled"] !~ /no|false/) {
					nu = split(value["uris"], u, " ")
					ns = split(value["suites"], s, " ")
					nc = split(value["components"], c, " ")
					for (i = 1; i <= nu; i++)
						for (j = 1; j <= ns; j++)
							for (k = 1; k <= nc; k++)
								print u[i], s[j], c[k], key
				}
				delete value
				field = ""
			}
			/^#/ { next }
			/^[ \t]*$/ { flush_stanza(); next }
			/^[ \t]/ { value[field] = value[field] " " $0; next }
			{
				field = tolower(substr($0, 1, index($0, ":") - 1))
				value[field] = substr($0, index($0, ":") + 1)
			}
			END { flush_stanza() }' "$file"
	done
}

# Writes the private configuration and points apt at it. Source packages, other architectures and other releases have one of
# their own: their lists are large, and nearly nobody needs them.
archive_init() {
	case $archive_type-$archive_arch-$archive_release in
	deb-amd64-bookworm) archive_dir=$cache_dir/apt ;;
	deb-amd64-*) archive_dir=$cache_dir/apt-$archive_release ;;
	deb-*) archive_dir=$cache_dir/apt-$archive_arch ;;
	*) archive_dir=$cache_dir/apt-source ;;
	esac
	architectures='"amd64";'
	[ "$archive_arch" = amd64 ] || architectures="$architectures \"$archive_arch\";"
	mkdir -p "$archive_dir/state/lists/partial" "$archive_dir/cache/archives/partial" "$archive_dir/log"
	: >"$archive_dir/state/status"

	codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
	archive_machine_sources >"$archive_dir/machine-sources"
	# Other archives use the release's name as a suite too, so one whose path ends in /debian is preferred.
	main=$(awk -v code="${codename:-none}" -v release="$archive_release" '
		$3 == "main" && $1 !~ /^cdrom:/ && ($2 == code || $2 == release || $2 ~ /^(old)*stable$/) {
			rank = ($1 ~ /\/debian\/?$/) ? 2 : 1
			if (rank > best) { best = rank; found = $1 " " $4 }
		}
		END { print found }' "$archive_dir/machine-sources")
	[ -n "$main" ] ||
		die "no Debian archive in this machine's apt sources (/etc/apt/sources.list, /etc/apt/sources.list.d): add one with suite $archive_release, component main"
	archive_uri=${main% *}
	keyring=${main##* }
	[ "$keyring" != - ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	security_uri=$(awk '$3 == "main" && $2 ~ /-security$/ && $1 ~ /debian-security\/?$/ { print $1; exit }' "$archive_dir/machine-sources")
	if [ -z "$security_uri" ]; then
		security_uri=$(printf '%s\n' "$archive_uri" | sed 's,/debian/*$,/debian-security,')
	fi

	option=
	[ ! -r "$keyring" ] || option=" [signed-by=$keyring]"
	{
		for suite in "$archive_release" "$archive_release-updates" "$archive_release-backports"; do
			echo "$archive_type$option $archive_uri $suite main"
		done
		[ "$security_uri" = "$archive_uri" ] ||
			echo "$archive_type$option $security_uri $archive_release-security main"
	} >"$archive_dir/sources.list"

	cat >"$archive_dir/apt.conf" <<-EOF
		Dir::State "$archive_dir/state";
		Dir::State::status "$archive_dir/state/status";
		Dir::Cache "$archive_dir/cache";
		Dir::Log "$archive_dir/log";
		Dir::Etc::sourcelist "$archive_dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Languages "none";
		Acquire::Retries "3";
		APT::Architecture "amd64";
		APT::Architectures { $architectures };
		APT::Sandbox::User "";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Pre-Invoke;
		#clear DPkg::Post-Invoke;
	EOF
	APT_CONFIG=$archive_dir/apt.conf
	export APT_CONFIG
}

# Brings the package lists up to date, at most every six hours unless forced: archive_update [force]
archive_update() {
	command -v apt-get >/dev/null || die "apt-get is missing: the kernels come as Debian packages"
	# One apt at a time in this configuration: held until this process ends.
	mkdir -p "$cache_dir/lock"
	exec 8>"$cache_dir/lock/archive"
	flock 8
	archive_init
	stamp=$archive_dir/state/updated
	if [ "${1:-}" = force ] || [ -z "$(find "$stamp" -mmin -360 2>/dev/null)" ]; then
		say "reading the package lists of $archive_uri"
		if apt-get -qq update >"$archive_dir/log/update" 2>&1; then
			: >"$stamp"
		else
			sed 's/^/mmlab:   apt: /' "$archive_dir/log/update" >&2
			say "not every package list could be read; going on with those that could"
		fi
	fi
}

# archive_download PACKAGE...: into the current folder
archive_download() {
	# Run as a plain command, so that "die" here ends the script.
	if ! apt-get -qq download "$@" >"$archive_dir/log/download" 2>&1; then
		sed 's/^/mmlab:   apt: /' "$archive_dir/log/download" >&2
		archive_update force
		apt-get -qq download "$@" >"$archive_dir/log/download" 2>&1 || {
			sed 's/^/mmlab:   apt: /' "$archive_dir/log/download" >&2
			die "cannot download $* from $archive_uri: is the network up?"
		}
	fi
}

# archive_has_source PACKAGE VERSION
archive_has_source() {
	apt-cache showsrc "$1" 2>/dev/null | grep -qxF "Version: $2"
}

# archive_source PACKAGE VERSION: the files of a source package into the current folder, not unpacked. An archive keeps only
# its newest versions: another one of the same release of the program is the next best, which is said.
archive_source() {
	archive_type=deb-src
	archive_update
	archive_has_source "$1" "$2" || archive_update force
	if ! archive_has_source "$1" "$2"; then
		release=${2%%[+~-]*}
		other=$(apt-cache showsrc "$1" 2>/dev/null | sed -n 's/^Version: //p' | grep -F "$release" | sort -V | tail -n 1)
		[ -n "$other" ] || die "$archive_uri has no source package of $1 $2, nor of another $release"
		say "$archive_uri has no source package of $1 $2 any more: taking $other"
		set -- "$1" "$other"
	fi
	apt-get -qq source --download-only "$1=$2" >"$archive_dir/log/source" 2>&1 || {
		sed 's/^/mmlab:   apt: /' "$archive_dir/log/source" >&2
		die "cannot download the source package of $1 $2 from $archive_uri: is the network up?"
	}
}
