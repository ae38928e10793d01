# lib.bash - what run.sh and save.sh share: mounting, measuring, rows of a table.
#
# The caller uses "set -eEuo pipefail", sets here to this folder, and calls begin first.
# shellcheck shell=bash disable=SC2154
export LC_ALL=C

build=${CKPT_BUILDDIR:-$here/../../build}
python=${CKPT_PYTHON:-$build/venv/bin/python}
rounds=${ROUNDS:-7}
slow_rounds=$((rounds < 3 ? rounds : 3))

say() {
	printf '%4d s: %s\n' "$SECONDS" "$*" >&2
}

die() {
	say "${0##*/}: $*"
	exit 1
}

find_program() {
	local p
	for p in "$build/$1" "$build/src/$1" "$build/src/fuse/$1" "$build/src/cli/$1"; do
		if [ -x "$p" ] && [ -f "$p" ]; then
			realpath "$p"
			return
		fi
	done
	die "$1 is not in $build: build it first, or set CKPT_BUILDDIR"
}

# ---- mounting ----

work=
data=
daemon=

# The daemon that serves $work/mnt; the path is on its command line and on no other process's (nor
# on grep's, which reads it).
find_daemon() {
	local f all=(/proc/[0-9]*/cmdline)
	f=$(grep -l -s -x -z -F --file="$work/mnt.path" "${all[@]}" | head -n 1) || true
	f=${f#/proc/}
	daemon=${f%/cmdline}
	[ -n "$daemon" ] || die "the daemon of $work/mnt is gone"
}

mount_ours() { # SOURCE [OPTION...]
	"$ckptfuse" "${@:2}" "$1" "$work/mnt" || die "ckptfuse cannot mount $1"
	find_daemon
}

unmount() {
	local i
	# A read that has just ended may still hold the mount for a moment.
	for i in 1 2 3 4 5; do
		fusermount3 -u "$work/mnt" 2>/dev/null && break
		[ "$i" -lt 5 ] || fusermount3 -u -z "$work/mnt"
		sleep 0.05
	done
	# What the daemon has mapped stays in the page cache, and it may have to publish: wait for
	# its end.
	for ((i = 0; i < 6000; i++)); do
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.01
	done
	if kill -0 "$daemon" 2>/dev/null; then
		say "${0##*/}: daemon $daemon outlived its mount by a minute"
		kill -KILL "$daemon"
	fi
	daemon=
}

cleanup() {
	local status=$?
	trap - EXIT
	if [ -n "$work" ]; then
		fusermount3 -u -q -z "$work/mnt" 2>/dev/null || true
		[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
		rm -rf --one-file-system "$work"
	fi
	exit "$status"
}

# ---- measuring ----

# What is on disk only is read from disk.
drop_caches() {
	sync
	if [ -w /proc/sys/vm/drop_caches ] && echo 3 2>/dev/null >/proc/sys/vm/drop_caches; then
		return
	fi
	"$work/readers" drop "$data"/*.data-*
}

seconds() { # COMMAND...: its wall-clock time, its output dropped
	local start=$EPOCHREALTIME
	"$@" >/dev/null
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", b - a }'
}

sample() { # KEY COMMAND...: what the command prints
	local value
	value=$("${@:2}")
	printf '%s %s\n' "$1" "$value" >>"$work/samples"
}

# Who goes first alternates, so that a machine that slows down favours neither.
order() { # ROUND [A B]
	local a=${2:-ours} b=${3:-floor}
	if [ $(($1 % 2)) -eq 1 ]; then echo "$a" "$b"; else echo "$b" "$a"; fi
}

# row WHAT OURS PEER KIND GOAL: OURS and PEER are keys of samples. KIND
#   speed:BYTES, ops:N   samples are seconds for that much; ratio ours to peer, at least GOAL
#   time                 samples are seconds; ratio peer to ours, at least GOAL
#   most:UNIT            ratio ours to peer, at most GOAL
# Columns are medians, and the ratio is theirs. An empty GOAL is for rows to compare with. With
# ranges=1 the least and the most are shown, too.
ranges=
row() {
	awk -v what="$1" -v ours="$2" -v peer="$3" -v kind="$4" -v goal="$5" -v ranges="$ranges" '
	function median(v, n,   i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j - 1] > v[j]; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	function show(x) {
		if (unit[1] == "speed")
			return sprintf("%.0f MiB/s", unit[2] / 1048576 / x)
		if (unit[1] == "ops")
			return sprintf("%.0f/s", unit[2] / x)
		if (unit[1] == "most" && unit[2] != "s")
			return sprintf("%.*f %s", x < 10 ? 2 : 1, x, unit[2])
		return x < 1 ? sprintf("%.1f ms", x * 1000) : sprintf("%.2f s", x)
	}
	function column(m, v, n) {
		if (!ranges || n < 2)
			return show(m)
		return show(m) " (" show(unit[1] ~ /speed|ops/ ? v[n] : v[1]) " to " \
			show(unit[1] ~ /speed|ops/ ? v[1] : v[n]) ")"
	}
	$1 == ours { a[++na] = $2 }
	$1 == peer { b[++nb] = $2 }
	END {
		split(kind, unit, ":")
		if (!na || !nb) {
			printf "| %s | not measured | | | | |\n", what
			exit
		}
		most = unit[1] == "most"
		ma = median(a, na)
		mb = median(b, nb)
		ratio = most ? ma / mb : mb / ma
		met = goal == "" ? "" : (most ? ratio <= goal : ratio >= goal) ? "yes" : "no"
		sign = goal == "" ? "" : most ? "at most " : "at least "
		printf "| %s | %s | %s | %.*f | %s%s | %s |\n", what, column(ma, a, na),
			column(mb, b, nb),
			ratio < 10 ? 2 : 0, ratio, sign, goal, met
	}' "$work/samples"
}

# ---- beginning and end ----

# Sets work (removed at the end), data and the programs' names.
begin() {
	ckptfuse=${CKPTFUSE:-$(find_program ckptfuse)}
	ckptctl=${CKPTCTL:-$(find_program ckptctl)}
	work=$(mktemp -d "${TMPDIR:-/tmp}/ckpt-bench.XXXXXX")
	trap cleanup EXIT
	trap 'exit 130' INT TERM HUP
	trap 'say "${0##*/}: line $LINENO: $BASH_COMMAND: failed"' ERR
	work=$(realpath "$work")
	data=$work/data
	mkdir "$data" "$work/mnt"
	printf '%s\n' "$work/mnt" >"$work/mnt.path"
	: >"$work/samples"

	case $(stat -f -c %T "$work") in
	tmpfs | ramfs) die "$work lies in memory: set TMPDIR to a folder on a disk" ;;
	esac
}

need_room() { # MIB
	local have
	have=$(df --output=avail -B 1M "$work" | tail -n 1)
	say "needs $1 MiB in $work, which has ${have// /} MiB free"
	[ "$have" -ge "$1" ] || die "too little room: set TMPDIR to another folder"
}

compile() { # NAME FLAG...
	"${CC:-cc}" -std=gnu11 -O2 -Wall -o "$work/$1" "$here/$1.c" "${@:2}"
}

# Sets tensorflow to its version, empty where there is none, and quiet.
find_tensorflow() {
	tensorflow=
	export TF_CPP_MIN_LOG_LEVEL=3
	if [ -x "$python" ]; then
		tensorflow=$("$python" -c 'import tensorflow; print(tensorflow.__version__)' \
			2>/dev/null) || tensorflow=
	fi
	[ -n "$tensorflow" ] ||
		say "$python has no TensorFlow: its rows are left out (set CKPT_PYTHON)"
	cat >"$work/list.py" <<'END'
import sys
import tensorflow as tf
tf.train.list_variables(sys.argv[1])
END
}

median_of() { # KEY [FORMAT]
	awk -v k="$1" '$1 == k { print $2 }' "$work/samples" | sort -g |
		awk -v f="${2:-%.0f}" '{ v[NR] = $1 } END { printf f "\n", v[int((NR + 1) / 2)] }'
}

print_machine() {
	echo "$(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1) x $(nproc)," \
		"libfuse $(pkg-config --modversion fuse3), TensorFlow ${tensorflow:-none}"
	echo
}

print_head() { # [OURS PEER]
	local peer=${2:-"the peer's"}
	echo "| what | ${1:-ours} | $peer | ratio | goal | met |"
	echo "| --- | --- | --- | --- | --- | --- |"
}
