# helper.bash - what the bats files share; a file begins with "load helper".
#
# make check sets CKPTFUSE, CKPTCTL, SRCDIR and BUILDDIR to absolute paths; by hand:
#	make -C build && CKPTFUSE=$PWD/build/ckptfuse ... bats tests/bats/x.bats
# Here they default to a build in the folder "build", or in the source tree itself.
#
# A daemon that outlives its test would keep bats waiting, its folder busy, and the next test
# guessing. So: mount with mount_ckpt, and let teardown call unmount_all.

bats_require_minimum_version 1.5.0

: "${SRCDIR:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
if [ -z "${BUILDDIR-}" ]; then
	BUILDDIR=$SRCDIR
	[ -x "$SRCDIR/build/ckptctl" ] && BUILDDIR=$SRCDIR/build
fi
: "${CKPTCTL=$BUILDDIR/ckptctl}"
: "${CKPTFUSE=$BUILDDIR/ckptfuse}"
export SRCDIR BUILDDIR CKPTCTL CKPTFUSE

# Skips the test where nothing can be mounted.
require_fuse() {
	[ -n "$CKPTFUSE" ] || skip "built without the mount"
	[ -c /dev/fuse ] || skip "no /dev/fuse here"
	if ! [ -r /dev/fuse ] || ! [ -w /dev/fuse ]; then
		skip "/dev/fuse is not for this user"
	fi
}

# Waits a moment; for loops that look for something and have a limit.
_pause() {
	read -r -t 0.05 <> <(:) || :
}

# wait_until SECONDS COMMAND...: runs the command until it succeeds, SECONDS at most.
wait_until() {
	local until=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/[.,]/} < until)) || return 1
		_pause
	done
}

# A zombie counts as gone: who reaps it is none of our business.
_is_gone() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || return 0
	case $state in
	'' | Z* | X*) return 0 ;;
	esac
	return 1
}

# wait_gone PID [SECONDS]: until that process has ended.
wait_gone() {
	wait_until "${2:-10}" _is_gone "$1"
}

# The daemon of a mount, by its status file; nothing where it does not answer.
mount_pid() {
	timeout 5 sed -n 's/.*"pid"[[:space:]]*:[[:space:]]*\([0-9]\{1,\}\).*/\1/p' \
		"$1/.ckptfuse/status.json" 2>/dev/null | head -n 1
}

is_mounted() {
	local mnt
	while read -r mnt; do
		[ "$mnt" = "$1" ] && return 0
	done < <(_mounts_below "$1")
	return 1
}

# Mount points at or below a folder, the innermost first, one a line. The table is read in one go:
# "read" goes back and forth in a file, and misses lines when other tests mount meanwhile.
_mounts_below() {
	local path top
	top=$(realpath -m -- "$1") || return 1
	while read -r _ _ _ _ path _; do
		# mountinfo writes a space as \040
		path=$(printf %b "${path//\\/\\0}")
		case $path in
		"$top" | "$top"/*) printf '%s\n' "$path" ;;
		esac
	done <<<"$(cat /proc/self/mountinfo)" | sort -r
}

# mount_ckpt SOURCE [OPTION...]: mounts on $MNT ($BATS_TEST_TMPDIR/mnt unless it is set before).
# Returns when the mount is usable, with ckptfuse's own exit status. Reports of a sanitizer in the
# daemon go to files that unmount_all looks at.
mount_ckpt() {
	local source=$1 status=0 pid
	shift
	: "${MNT:=$BATS_TEST_TMPDIR/mnt}"
	# One whose daemon was killed is there, though mkdir cannot see it.
	is_mounted "$MNT" || mkdir -p "$MNT"
	start_ckptfuse "$@" -- "$source" "$MNT" || status=$?
	if [ "$status" -eq 0 ]; then
		pid=$(mount_pid "$MNT")
		[ -n "$pid" ] && echo "$pid" >>"$BATS_TEST_TMPDIR/.pids"
	fi
	return "$status"
}

# start_ckptfuse ARGUMENT...: the program as it is, without any descriptor of bats' own, which a
# daemon would hold open and bats would wait for.
start_ckptfuse() {
	(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			if [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ]; then
				eval "exec $fd>&-"
			fi
		done
		export ASAN_OPTIONS="${ASAN_OPTIONS-}:log_path=$BATS_TEST_TMPDIR/sanitizer"
		export UBSAN_OPTIONS="${UBSAN_OPTIONS-}:log_path=$BATS_TEST_TMPDIR/sanitizer"
		export LSAN_OPTIONS="${LSAN_OPTIONS-}:log_path=$BATS_TEST_TMPDIR/sanitizer"
		exec timeout -k 5 60 "$CKPTFUSE" "$@" </dev/null
	)
}

# (A bare "return" would return the failed test's status here: teardown runs in a trap.)
_unmount() {
	if command -v fusermount3 >/dev/null; then
		timeout 10 fusermount3 -u -- "$1" 2>/dev/null && return 0
		timeout 10 fusermount3 -uz -- "$1" 2>/dev/null && return 0
	fi
	timeout 10 umount -l -- "$1" 2>/dev/null
}

# For teardown: no mount and no daemon of this test is left after it. Fails where a daemon did not
# end by itself, or a sanitizer found something in it.
unmount_all() {
	local mnt pid bad=0 report
	local -a pids=()
	# A test that failed may stand in its mount.
	cd / || return 1
	while read -r mnt; do
		pid=$(mount_pid "$mnt")
		[ -n "$pid" ] && pids+=("$pid")
		_unmount "$mnt" || {
			echo "# cannot unmount $mnt"
			bad=1
		}
	done < <(_mounts_below "$BATS_TEST_TMPDIR")
	if [ -f "$BATS_TEST_TMPDIR/.pids" ]; then
		while read -r pid; do
			# A recorded number may be another process' by now.
			[[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$CKPTFUSE"* ]] && pids+=("$pid")
		done <"$BATS_TEST_TMPDIR/.pids"
	fi
	for pid in "${pids[@]}"; do
		wait_gone "$pid" 10 && continue
		echo "# daemon $pid did not end after its mount went away"
		bad=1
		kill -TERM "$pid" 2>/dev/null
		wait_gone "$pid" 5 || kill -KILL "$pid" 2>/dev/null
	done
	for report in "$BATS_TEST_TMPDIR"/sanitizer.*; do
		[ -e "$report" ] || continue
		echo "# $report:"
		sed 's/^/# /' "$report"
		bad=1
	done
	return "$bad"
}
