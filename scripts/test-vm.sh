#!/bin/sh
# SPDX-License-Identifier: MIT
# Tests of scripts/vm and scripts/kernels on real boots: what goes in and out, and that every kind of end is told apart.
# One line for each check. Exit status: 0 all passed, 1 not all, 77 there is no QEMU.
# shellcheck disable=SC2016 # the guest's shell expands these
# shellcheck disable=SC2317 # functions are called by check
set -u

usage='Usage: scripts/test-vm.sh [KERNEL]   (default 6.1)'
case ${1:-} in
--help | -h)
	echo "$usage"
	exit 0
	;;
-*)
	echo "$usage" >&2
	exit 2
	;;
esac
kernel=${1:-6.1}
scripts=$(cd "$(dirname "$0")" && pwd)

if ! command -v qemu-system-x86_64 >/dev/null || [ ! -x /bin/busybox ]; then
	echo "mmlab: test-vm needs QEMU and busybox; run: scripts/packages install vm" >&2
	exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# Spaces in the path: everything must be quoted everywhere.
TMPDIR="$work/temporary files"
export TMPDIR
mkdir "$TMPDIR" "$work/out dir"
failed=0

check() {
	name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/#   /' "$work/err" | tail -n 8
		failed=1
	fi
}

# vm STATUS ARGUMENT...: runs it and compares the exit status
vm() {
	expected=$1
	shift
	"$scripts/vm" --kernel "$kernel" --no-kmemleak --build "$work/build" --out "$work/out dir" "$@" >"$work/out" 2>"$work/err"
	status=$?
	[ "$status" -eq "$expected" ] || {
		echo "exit status $status, expected $expected" >>"$work/err"
		return 1
	}
}

# The first VM of a boot of this machine tries KVM: here with a cache that knows no outcome, but everything else.
kvm_is_tried() {
	mkdir "$work/cache" && ln -s "${MMLAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mmlab}"/* "$work/cache" && rm -f "$work/cache/kvm" &&
		MMLAB_CACHE=$work/cache vm 0 --module none -- true && if [ -w /dev/kvm ]; then says 'KVM'; fi
}

# It ends as it should, and has waited.
starved() {
	[ "$(id -u)" -eq 0 ] || return 0
	"$scripts/starve" "$scripts/vm" --kernel "$kernel" --module none -- sh -c 'timeout 8 sh -c "while :; do :; done"; exit 3' >"$work/out" 2>"$work/err"
	[ $? -eq 3 ] && says 'machine was busy'
}

says() {
	grep -q -e "$1" "$work/err"
}

kept_log_shows() {
	log=$(sed -n 's/.*kernel log[^:]*: //p' "$work/err")
	[ -f "$log" ] && grep -q -e "$1" "$log"
}

# The guest's kernel is told how fast this machine's counter is, and goes by that: it names it last.
clock_is_right() {
	vm 0 --module none --log "$work/clock" -- grep -o 'tsc_early_khz=[0-9]*' /proc/cmdline &&
		python3 - "$scripts/lib" "$work/out" "$work/clock" 2>>"$work/err" <<-'EOT'
			import re, sys
			sys.dont_write_bytecode = True
			sys.path.insert(0, sys.argv[1])
			import host_tsc
			host = host_tsc.tsc_khz()
			told = int(open(sys.argv[2]).read().split("=")[1])
			used = float(re.findall(r"tsc: Detected ([0-9.]+) MHz", open(sys.argv[3], errors="replace").read())[-1]) * 1000
			if abs(told - host) > host / 1000 or abs(used - host) > host / 1000:
			    sys.exit(f"the guest was told {told} kHz and uses {used}, this machine has {host}")
		EOT
}

plain="--module none"
head -c 100000 /dev/urandom >"$work/binary file"
printf '#!/bin/sh\necho added "$@"\nexit 5\n' >"$work/added.sh"
chmod +x "$work/added.sh"
printf 'all bytes \000\001\003\004\021\023\032\177\377\r\n\n' >"$work/bytes"

# shellcheck disable=SC2086 # $plain is two words
{
	check exit-0 vm 0 $plain -- true
	check exit-3 vm 3 $plain -- sh -c 'exit 3'
	check command-not-found vm 127 $plain -- no-such-command
	check killed-by-signal vm 139 $plain -- sh -c 'kill -SEGV $$'
	check arguments-kept vm 0 $plain -- sh -c '[ "$1" = "a  b" ] && [ "$2" = "\$x '\''" ] && [ -z "$3" ] && [ $# -eq 3 ]' sh 'a  b' "\$x '" ''

	check clock clock_is_right

	check streams vm 0 $plain --add "$work/bytes" -- sh -c 'cat bytes; echo to stderr >&2'
	check stdout-exact cmp "$work/out" "$work/bytes"
	check stderr-separate says '^to stderr$'
	check binary vm 0 $plain --add "$work/binary file" --add "$work/added.sh" -- sh -c 'cat "binary file"; cp "binary file" $OUT/; mkdir $OUT/deep; echo x >$OUT/deep/x'
	check binary-exact cmp "$work/out" "$work/binary file"
	check out-file cmp "$work/out dir/binary file" "$work/binary file"
	check out-folder test -s "$work/out dir/deep/x"
	check add-script vm 5 $plain --add "$work/added.sh" -- ./added.sh one
	check add-script-ran grep -qx 'added one' "$work/out"
	check add-program vm 0 $plain --add /usr/bin/sha256sum:/opt/sum --add "$work/bytes" -- /opt/sum bytes
	check add-program-ran grep -q "^$(sha256sum <"$work/bytes" | cut -d ' ' -f 1)" "$work/out"
	check environment vm 0 $plain --env 'A=b  c' -- sh -c '[ "$A" = "b  c" ] && [ -n "$MMLAB_EXECUTION" ] && [ "$(nproc)" = 2 ]'

	check all-cpus-started vm 0 $plain --cpus 3 -- sh -c '[ "$(nproc)" = 3 ] && grep -q maxcpus=1 /proc/cmdline'

	check kvm-is-tried kvm_is_tried
	check starved starved

	check hang vm 124 $plain --timeout 3 -- sleep 1000
	check hang-told says 'did not end within 3 s'
	check hang-ignoring-signals vm 124 $plain --timeout 3 -- sh -c 'trap "" TERM INT; while :; do :; done'
	check never-up vm 125 $plain --boot-timeout 10 --append 'rdinit=/bin/sleep' -- true
	check never-up-log kept_log_shows 'Linux version'
	check panic vm 126 $plain -- sh -c 'echo c >/proc/sysrq-trigger; sleep 5'
	check panic-log kept_log_shows 'sysrq triggered crash'
	check warning vm 126 $plain -- sh -c 'echo "<4>WARNING: CPU: 0 PID: 1 at mm/x.c:1" >/dev/kmsg'
	check warning-log kept_log_shows 'WARNING: CPU: 0'
	check log-of-a-crashing-program-is-fine vm 139 $plain -- sh -c 'sh -c "kill -SEGV \$\$"'

	check wrong-kernel vm 2 --kernel 6.3 -- true
	check wrong-kernel-names says '6.1, 6.12'
	check wrong-option vm 2 --no-such-option -- true
	check wrong-memory vm 2 --memory lots -- true
	check missing-file vm 2 --add "$work/none" -- true
	check no-command vm 2
	check counters-without-deterministic vm 2 --counters -- true
	check deterministic-by-kvm vm 2 --deterministic --accel kvm -- true
	check wrong-module vm 125 --module "$work/bytes" -- true
	check wrong-kernel-module vm 125 $plain --kernel-module no_such_module -- true
	check kernel-module vm 0 $plain --kernel-module zram -- grep -q zram /proc/devices
}

interrupted() {
	"$scripts/vm" --kernel "$kernel" --module none --build "$work/build" --out "$work/out dir" -- sh -c '
		trap "echo incomplete >\$OUT/partial; exit 9" INT
		echo started
		while :; do sleep 0.1; done' >"$work/out" 2>"$work/err" &
	vm=$!
	tries=0
	until grep -q started "$work/out" || [ "$tries" -gt 600 ]; do
		tries=$((tries + 1))
		sleep 0.2
	done
	# A shell's background command ignores SIGINT, scripts/vm takes it nevertheless.
	kill -INT "$vm"
	wait "$vm"
	[ $? -eq 9 ] && [ -s "$work/out dir/partial" ]
}
check interrupt-reaches-command interrupted

nothing_left() {
	cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
		awk 'index($0, ENVIRON["TMPDIR"]) { found = 1 } END { exit found }' && [ -z "$(ls -A "$TMPDIR")" ]
}
check nothing-left nothing_left

# Lines as kernels and programs really print them: "!" must be judged a report, "." must not.
log_lines() {
	cat <<-'EOF'
		!BUG: KASAN: slab-use-after-free in i+0x40/0x1000 [mmlab]
		!WARNING: possible circular locking dependency detected
		!WARNING: suspicious RCU usage
		!WARNING: CPU: 1 PID: 77 at mm/page_alloc.c:4242 __alloc_pages+0x1/0x2
		!BUG: unable to handle page fault for address: ffffffffc0000000
		!BUG: Bad page state in process cat  pfn:12345
		!BUG: Bad rss-counter state mm:00000000d8 type:MM_ANONPAGES val:1
		!BUG: non-zero pgtables_bytes on freeing mm: 4096
		!BUG: sleeping function called from invalid context at mm/x.c:1
		!watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [x:1]
		!rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
		!INFO: task x:12 blocked for more than 60 seconds.
		!Oops: 0000 [#1] PREEMPT SMP PTI
		!general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] PREEMPT SMP
		!kernel BUG at mm/page_table_check.c:83!
		!list_del corruption, ffff88 is LIST_POISON1
		!refcount_t: underflow; use-after-free.
		!unreferenced object 0xffff888006b73000 (size 512):
		.traps: x[70] general protection fault ip:401136 sp:7ffd error:0 in x[401000+1000]
		.x[71]: segfault at 0 ip 0000000000401136 sp 00007ffd error 6 in x[401000+1000]
		.Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
		.mmlab: loading out-of-tree module taints kernel.
		.kmemleak: Automatic memory scanning thread started
		.Out of memory: Killed process 90 (x) total-vm:1kB
		.page_owner is disabled
	EOF
}

judges_lines() {
	log_lines | /usr/bin/python3 -B -c '
import sys
sys.path.insert(0, sys.argv[1])
import kernel_log
wrong = [line for line in sys.stdin if bool(kernel_log.reports("[    1.0] " + line[1:], [])) != (line[0] == "!")]
sys.stderr.writelines(wrong)
sys.exit(bool(wrong))' "$scripts/lib" 2>"$work/err"
}
check log-judged judges_lines

# A data race is ours if a function of the module is in its report, wherever in it.
judges_races() {
	/usr/bin/python3 -B - "$scripts/lib" <<-'EOF' 2>"$work/err"
		import sys
		sys.path.insert(0, sys.argv[1])
		import kernel_log
		RULER = "[    1.0] " + "=" * 66
		def race(frame, end=RULER):
		    return "\n".join([RULER, "[    1.0] BUG: KCSAN: data-race in a / b", "[    1.0]", "[    1.0]  a+0x1/0x2",
		                      f"[    1.0]  {frame}", "[    1.0] CPU: 1 PID: 77 Comm: x", end, ""])
		stock, ours = race("page_table_check_set+0x1/0x2"), race("c+0x1/0x2 [mmlab]")
		def n_reports(text):
		    return len(kernel_log.reports(text, []))
		assert n_reports(stock) == 0 and n_reports(ours) == 1, "which race is ours"
		assert n_reports(stock + ours + stock + ours) == 2, "several"
		assert n_reports(stock + "[    1.0] BUG: Bad page state in process cat\n" + stock) == 1, "what is between"
		assert n_reports(race("d+0x1/0x2", "[    1.0] the log ends here")) == 1, "a report that does not end"
	EOF
}
check races-judged judges_races

kernels() {
	expected=$1
	shift
	"$scripts/kernels" "$@" >"$work/out" 2>"$work/err"
	[ $? -eq "$expected" ]
}
check kernels-wrong-name kernels 2 path 6.3
check kernels-wrong-name-told says '6.1, 6.12, 6.1-debug, 6.12-debug'
check kernels-wrong-item kernels 2 path 6.1 color
check kernels-list kernels 0 list

exit $failed
