#!/bin/bash
# run.sh - measures the mount and ckptctl against their floor and against TensorFlow, and prints one
# table of ratios. README.md says what each row means.
#
#   CKPT_BUILDDIR   folder with ckptfuse and ckptctl (default: build at the top of the tree)
#   CKPT_PYTHON     a Python with TensorFlow (default: $CKPT_BUILDDIR/venv/bin/python)
#   TMPDIR          a folder on a disk, with the room that the script says it needs
#   ROUNDS          how often each pair is measured (default 7; what TensorFlow is in, 3 times)
#   BENCH_MIB, BENCH_VARS    size of the big variable, number of small ones (1024, 1000000)
set -eEuo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
build=${CKPT_BUILDDIR:-$here/../../build}
python=${CKPT_PYTHON:-$build/venv/bin/python}
rounds=${ROUNDS:-7}
slow_rounds=$((rounds < 3 ? rounds : 3))
mib=${BENCH_MIB:-1024}
vars=${BENCH_VARS:-1000000}
few=1000 # variables of the sparse checkpoints
random_ops=$((mib * 64 < 24000 ? mib * 64 : 24000)) # of 4 KiB
bytes_per_var=150

say() {
	printf '%4d s: %s\n' "$SECONDS" "$*" >&2
}

die() {
	say "run.sh: $*"
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

mount_floor() { # FILE OFFSET LENGTH
	daemon=$("$work/floor" "$1" "$2" "$3" "$work/mnt")
}

mount_ours() { # SOURCE
	"$ckptfuse" "$1" "$work/mnt" || die "ckptfuse cannot mount $1"
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
	# What the daemon has mapped stays in the page cache: wait for its end.
	for ((i = 0; i < 500; i++)); do
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.01
	done
	if kill -0 "$daemon" 2>/dev/null; then
		say "run.sh: daemon $daemon outlived its mount by 5 s"
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
order() { # ROUND
	if [ $(($1 % 2)) -eq 1 ]; then echo ours floor; else echo floor ours; fi
}

# row WHAT OURS PEER KIND GOAL: OURS and PEER are keys of samples. KIND
#   speed:BYTES, ops:N   samples are seconds for that much; ratio ours to peer, at least GOAL
#   time                 samples are seconds; ratio peer to ours, at least GOAL
#   most:UNIT            ratio ours to peer, at most GOAL
# Columns are medians, and the ratio is theirs. An empty GOAL is for rows to compare with.
row() {
	awk -v what="$1" -v ours="$2" -v peer="$3" -v kind="$4" -v goal="$5" '
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
			return sprintf("%.1f %s", x, unit[2])
		return x < 1 ? sprintf("%.1f ms", x * 1000) : sprintf("%.2f s", x)
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
		printf "| %s | %s | %s | %.*f | %s%s | %s |\n", what, show(ma), show(mb),
			ratio < 10 ? 2 : 0, ratio, sign, goal, met
	}' "$work/samples"
}

# ---- the big variable ----

# Sets path to the big variable in a mount that has nothing in its cache.
remount() { # ours or floor
	[ -z "$daemon" ] || unmount
	if [ "$1" = ours ]; then
		mount_ours "$data/big"
		path=$work/mnt/model/embedding/table
	else
		mount_floor "$big" "$offset" "$bytes"
		path=$work/mnt/v
	fi
}

measure_big() {
	local round who path
	local big=$data/big.data-00000-of-00001 bytes=$((mib << 20)) offset=1003

	say "reading a variable of $mib MiB, $rounds rounds"
	for ((round = 1; round <= rounds; round++)); do
		for who in $(order "$round"); do
			for _ in 1 2; do
				[ -z "$daemon" ] || unmount
				drop_caches
				remount "$who"
				sample "cold.$who" "$work/readers" seq "$path"
			done
			for _ in 1 2 3; do
				sample "again.$who" "$work/readers" seq "$path"
			done
			# The source's pages are all in memory from here on.
			"$work/readers" seq "$big" >/dev/null
			remount "$who"
			sample "warm.$who" "$work/readers" seq "$path"
			remount "$who"
			sample "mmap.$who" "$work/readers" mmap "$path"
			remount "$who"
			sample "direct.$who" "$work/readers" direct "$path"
			sample native "$work/readers" seq "$big" "$offset" "$bytes"
			remount "$who"
			sample "random1.$who" "$work/readers" random "$path" 1 "$random_ops" "$round"
			remount "$who"
			sample "random8.$who" "$work/readers" random "$path" 8 "$random_ops" "$round"
			unmount
		done

		drop_caches
		mount_ours "$data/slices"
		path=$work/mnt/model/embedding/table
		sample cold.slices "$work/readers" seq "$path"
		unmount
		"$work/readers" seq "$data/slices.data-00000-of-00001" >/dev/null
		mount_ours "$data/slices"
		sample warm.slices "$work/readers" seq "$path"
		unmount
	done
}

# What is read fast must be right as well.
check_contents() {
	local sum
	mount_floor "$data/big.data-00000-of-00001" 1003 $((mib << 20))
	sum=$(md5sum <"$work/mnt/v")
	unmount
	for p in big slices; do
		mount_ours "$data/$p"
		[ "$(md5sum <"$work/mnt/model/embedding/table")" = "$sum" ] ||
			die "$p: the mount shows other bytes than the shard holds"
		unmount
	done
}

measure_small() {
	local round
	say "one small variable"
	for ((round = 1; round <= slow_rounds; round++)); do
		mount_ours "$data/big"
		sample small.ours seconds cat "$work/mnt/model/embedding/used"
		cp "$work/mnt/model/embedding/used" "$work/used.ours"
		unmount
		[ -n "$tensorflow" ] || continue
		sample small.tf seconds "$python" "$work/small.py" "$data/big" "$work/used.tf" \
			2>>"$work/python.log"
		cmp "$work/used.ours" "$work/used.tf" || die "TensorFlow reads something else"
	done
}

# ---- many variables ----

memory() { # KEY: bytes a variable of the daemon's own memory
	awk -v n="$vars" -v key="$1" -v file="$work/samples" '
	$1 == "RssAnon:" || $1 == "RssShmem:" { own += $2 }
	$1 == "VmRSS:" { all = $2 }
	END { print key, own * 1024 / n >>file; print key ".all", all / 1024 >>file }
	' "/proc/$daemon/status"
}

count_lines() { # COMMAND...: a find
	"$@" "$work/mnt" | wc -l
}

measure_many() {
	local round one_cpu
	one_cpu=$(taskset -pc $$ 2>/dev/null | sed 's/.*: //; s/[-,].*//')
	say "$vars variables"
	# The names once, and what else a variable may cost.
	sample mem.limit awk -v n="$vars" -v names="$name_bytes" -v each="$bytes_per_var" \
		'BEGIN { print each + names / n }'
	for ((round = 1; round <= slow_rounds; round++)); do
		sample ls.ours seconds "$ckptctl" ls "$data/many"
		sample mount.ours seconds "$ckptfuse" "$data/many" "$work/mnt"
		find_daemon
		memory mem.mount
		sample find.ours seconds count_lines find
		memory mem.find
		unmount
		if [ -n "$one_cpu" ]; then
			taskset -c "$one_cpu" "$ckptfuse" "$data/many" "$work/mnt"
			find_daemon
			sample find.one seconds count_lines taskset -c "$one_cpu" find
			unmount
		fi
		[ -n "$tensorflow" ] || continue
		sample list.tf seconds "$python" "$work/list.py" "$data/many" 2>>"$work/python.log"
	done
	[ "$("$ckptctl" ls "$data/many" | wc -l)" -eq "$vars" ] || die "ckptctl ls miscounts"
}

measure_sizes() {
	local round which
	say "mounting much and little data"
	for ((round = 1; round <= 2 * rounds + 1; round++)); do
		for which in $(if [ $((round % 2)) -eq 1 ]; then echo g10 m10; else echo m10 g10; fi); do
			sample "size.$which" seconds "$ckptfuse" "$data/$which" "$work/mnt"
			find_daemon
			unmount
		done
	done
}

# ---- all of it ----

ckptfuse=${CKPTFUSE:-$(find_program ckptfuse)}
ckptctl=${CKPTCTL:-$(find_program ckptctl)}

work=$(mktemp -d "${TMPDIR:-/tmp}/ckpt-bench.XXXXXX")
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
trap 'say "run.sh: line $LINENO: $BASH_COMMAND: failed"' ERR
work=$(realpath "$work")
data=$work/data
mkdir "$data" "$work/mnt"
printf '%s\n' "$work/mnt" >"$work/mnt.path"
: >"$work/samples"

case $(stat -f -c %T "$work") in
tmpfs | ramfs) die "$work lies in memory: set TMPDIR to a folder on a disk" ;;
esac
need=$((2 * mib + vars / 10000 + 64))
have=$(df --output=avail -B 1M "$work" | tail -n 1)
say "needs $need MiB in $work, which has ${have// /} MiB free"
[ "$have" -ge "$need" ] || die "too little room: set TMPDIR to another folder"

cc=${CC:-cc}
cflags=(-std=gnu11 -O2 -Wall)
# shellcheck disable=SC2046 # flags are words
"$cc" "${cflags[@]}" -o "$work/floor" "$here/floor.c" $(pkg-config --cflags --libs fuse3)
"$cc" "${cflags[@]}" -o "$work/mkbundle" "$here/mkbundle.c" -lisal
"$cc" "${cflags[@]}" -pthread -o "$work/readers" "$here/readers.c"

tensorflow=
export TF_CPP_MIN_LOG_LEVEL=3
if [ -x "$python" ]; then
	tensorflow=$("$python" -c 'import tensorflow; print(tensorflow.__version__)' \
		2>/dev/null) || tensorflow=
fi
[ -n "$tensorflow" ] || say "$python has no TensorFlow: its rows are left out (set CKPT_PYTHON)"
cat >"$work/small.py" <<'END'
import sys
import tensorflow as tf
tensor = tf.train.load_checkpoint(sys.argv[1]).get_tensor("model/embedding/used")
with open(sys.argv[2], "wb") as f:
    f.write(tensor.tobytes())
END
cat >"$work/list.py" <<'END'
import sys
import tensorflow as tf
tf.train.list_variables(sys.argv[1])
END

say "making checkpoints"
"$work/mkbundle" big "$data/big" $((mib << 20)) >/dev/null
"$work/mkbundle" slices "$data/slices" $((mib << 20)) 16 >/dev/null
name_bytes=$("$work/mkbundle" many "$data/many" "$vars" | sed 's/.*name_bytes=//')
"$work/mkbundle" sparse "$data/g10" $((10 << 30)) "$few" >/dev/null
"$work/mkbundle" sparse "$data/m10" $((10 << 20)) "$few" >/dev/null

check_contents
measure_big
measure_small
measure_many
measure_sizes

size=speed:$((mib << 20))
median_of() {
	awk -v k="$1" '$1 == k { print $2 }' "$work/samples" | sort -g |
		awk '{ v[NR] = $1 } END { printf "%.0f\n", v[int((NR + 1) / 2)] }'
}
echo "$(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1) x $(nproc)," \
	"libfuse $(pkg-config --modversion fuse3), TensorFlow ${tensorflow:-none}"
echo
echo "| what | ours | the peer's | ratio | goal | met |"
echo "| --- | --- | --- | --- | --- | --- |"
row "first read, page cache cold" cold.ours cold.floor "$size" 0.9
row "first read, source in memory" warm.ours warm.floor "$size" 0.9
row "second read" again.ours again.floor "$size" 0.95
row "mmap" mmap.ours mmap.floor "$size" 0.95
row "O_DIRECT" direct.ours direct.floor "$size" 0.95
row "O_DIRECT, against the shard without FUSE" direct.ours native "$size" ""
row "random 4 KiB, 1 thread" random1.ours random1.floor "ops:$random_ops" 0.9
row "random 4 KiB, 8 threads" random8.ours random8.floor "ops:$random_ops" 0.9
row "16 slices joined, page cache cold, against one piece" cold.slices cold.ours "$size" 0.5
row "16 slices joined, source in memory, against one piece" warm.slices warm.ours "$size" 0.5
row "mount of 10 GiB, against 10 MiB" size.g10 size.m10 most:s 1.2
row "memory a variable after mount" mem.mount mem.limit most:B 1
row "memory a variable after find" mem.find mem.limit most:B 1
if [ -n "$tensorflow" ]; then
	row "cat of one small variable, against TensorFlow" small.ours small.tf time 20
	row "ckptctl ls, $vars variables, against TensorFlow" ls.ours list.tf time 20
	row "mount, $vars variables, against TensorFlow" mount.ours list.tf time 10
	row "find \\| wc -l, $vars variables, against TensorFlow" find.ours list.tf time 1
	row "the same, daemon and find on one CPU" find.one list.tf time ""
fi
echo
echo "VmRSS of the daemon of $vars variables: $(median_of mem.mount.all) MiB after mount," \
	"$(median_of mem.find.all) MiB after find."
