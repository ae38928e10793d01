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

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.bash
. "$here/lib.bash"
mib=${BENCH_MIB:-1024}
vars=${BENCH_VARS:-1000000}
few=1000 # variables of the sparse checkpoints
random_ops=$((mib * 64 < 24000 ? mib * 64 : 24000)) # of 4 KiB
bytes_per_var=150

# ---- the big variable ----

mount_floor() { # FILE OFFSET LENGTH
	daemon=$("$work/floor" "$1" "$2" "$3" "$work/mnt")
}

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

begin
need_room $((2 * mib + vars / 10000 + 64))
# shellcheck disable=SC2046 # flags are words
compile floor $(pkg-config --cflags --libs fuse3)
compile mkbundle -lisal
compile readers -pthread
find_tensorflow
cat >"$work/small.py" <<'END'
import sys
import tensorflow as tf
tensor = tf.train.load_checkpoint(sys.argv[1]).get_tensor("model/embedding/used")
with open(sys.argv[2], "wb") as f:
    f.write(tensor.tobytes())
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
print_machine
print_head
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
