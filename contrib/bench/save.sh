#!/bin/bash
# save.sh - measures what edits cost: against TensorFlow's Saver, against cp to the disk, and against
# the least that a FUSE program can do. Prints tables; README.md says what each row means.
#
#   CKPT_BUILDDIR, CKPT_PYTHON, TMPDIR, ROUNDS    as run.sh has them
#   BENCH_MIB       size of what is copied (1024)
#   BENCH_VARS      number of variables among which one is renamed (1000000)
#   BENCH_GIB       how much is written to see what memory it takes (10)
#   BENCH_PARTS     which parts are measured: edit copy settings many memory random again
#
# A busy machine wakes both programs of a FUSE mount late: with other work going on, run it as
# "chrt -f 1 contrib/bench/save.sh".
set -eEuo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.bash
. "$here/lib.bash"
mib=${BENCH_MIB:-1024}
vars=${BENCH_VARS:-1000000}
gib=${BENCH_GIB:-10}
parts=${BENCH_PARTS:-edit copy settings many memory random again}
huge_gib=10 # of the variable that is edited; sparse
ranges=1
again_bytes=$((1 << 20))
again_times=1000
memory_limit=64 # MiB, for what is written

has_part() {
	[[ " $parts " == *" $1 "* ]]
}

bytes=$((mib << 20))
big=model/embedding/table
one=model/layer_000000/dense/kernel

# ---- what was written, and what memory it took ----

# traced KEY COMMAND...: runs it while the daemon's writes are counted, by the file that they go to.
# Without strace nothing is counted.
traced() {
	local tracer
	command -v strace >/dev/null || return 0
	strace -f -y -qq -e trace=pwrite64,write,copy_file_range,ioctl -p "$daemon" \
		-o "$work/trace" 2>/dev/null &
	tracer=$!
	wait_until_traced
	"${@:2}" >/dev/null
	kill "$tracer"
	wait "$tracer" || true
	count_written "$1"
}

wait_until_traced() {
	local i
	for ((i = 0; i < 500; i++)); do
		! grep -L '^TracerPid:[[:space:]]*[1-9]' "/proc/$daemon/task"/*/status |
			grep -q . && return
		sleep 0.01
	done
	die "strace does not reach the daemon $daemon"
}

# Bytes by kind of file: journal, index, other (data files).
count_written() { # KEY
	awk -v key="$1" '
	/ (pwrite64|write)\([0-9]+<\/[^d]/ || / copy_file_range\(/ || / ioctl\(.*CLONE/ {
		kind = /\.index/ ? "index" : /ckptfuse-lock>/ ? "lock" : "data"
		if (/ckptfuse-journal[.>]/)
			kind = "journal"
		cloned = match($0, /src_length=[0-9]+/) ? substr($0, RSTART + 11, RLENGTH - 11) : 0
	}
	/<unfinished/ { unfinished[$1] = kind; kind = ""; next }
	/ (pwrite64|write|copy_file_range) resumed>/ { kind = unfinished[$1] }
	kind && /[=] [0-9]+$/ { sum[kind] += $NF == 0 ? cloned : $NF }
	{ kind = "" }
	END {
		print key ".journal", sum["journal"] + 0
		print key ".index", sum["index"] + 0
		print key ".data", sum["data"] + 0
		print key ".beyond", (sum["journal"] + sum["data"]) / 1024
	}' "$work/trace" >>"$work/samples"
}

peak() { # the most memory that the daemon had since it began, in MiB
	awk '$1 == "VmHWM:" { print $2 / 1024 }' "/proc/$daemon/status"
}

written_so_far() { # bytes
	awk '$1 == "wchar:" { print $2 }' "/proc/$daemon/io"
}

publish() {
	sync "$work/mnt"
}

scale() { # FROM TO FACTOR: samples times a number
	awk -v from="$1" -v to="$2" -v f="$3" '$1 == from { print to, $2 * f }' \
		"$work/samples" >"$work/scaled"
	cat "$work/scaled" >>"$work/samples"
}

# ---- 4 KiB of 10 GiB ----

measure_edit() {
	local round
	say "an edit of 4 KiB in $huge_gib GiB"
	"$work/mkbundle" sparse "$data/huge" $((huge_gib << 30)) 1 >/dev/null
	for ((round = 1; round <= rounds; round++)); do
		mount_ours "$data/huge" -o rw
		sample edit.ours "$work/writers" edit "$work/mnt/$one" "$work/mnt" "$round"
		unmount
	done
	mount_ours "$data/huge" -o rw
	traced edit "$work/writers" edit "$work/mnt/$one" "$work/mnt" "$round"
	sample edit.limit echo 64
	sample edit.peak peak
	unmount
	# The checksum that followed from the old one must be that of what is there now.
	"$ckptctl" verify "$data/huge" >/dev/null
	rm -f "$data"/huge.*
	[ -n "$tensorflow" ] || return 0
	say "TensorFlow saves $mib MiB"
	for ((round = 1; round <= slow_rounds; round++)); do
		sample save.tf "$python" "$work/save.py" "$data/saved" "$mib" 2>>"$work/python.log"
		rm -f "$data"/saved* "$data/checkpoint"
	done
	scale save.tf save.scaled "$(awk -v m="$mib" -v g="$huge_gib" 'BEGIN { print g * 1024 / m }')"
}

# ---- cp ----

copy_native() { # TO
	cp "$data/source" "$1"
	sync "$1"
}

copy_ours() {
	cp "$data/source.json" "$work/mnt/table.json"
	cp "$data/source" "$work/mnt/table"
	publish
}

in_place() { # FILE
	dd if="$data/source" of="$1" bs=1M conv=notrunc status=none
}

in_place_native() {
	in_place "$data/copy"
	sync "$data/copy"
}

in_place_ours() {
	in_place "$work/mnt/table"
	publish
}

measure_copy() {
	local round who before
	say "copying $mib MiB, $rounds rounds"
	for ((round = 1; round <= rounds; round++)); do
		for who in $(order "$round" ours native); do
			cat "$data/source" >/dev/null
			sync -f "$data"
			if [ "$who" = native ]; then
				sample new.native seconds copy_native "$data/copy"
				sample over.native seconds copy_native "$data/copy"
				sample edit_all.native seconds in_place_native
				rm "$data/copy"
				continue
			fi
			"$work/mkbundle" sparse "$data/few" 4096 10 >/dev/null
			mount_ours "$data/few" -o rw
			before=$(written_so_far)
			sample new.ours seconds copy_ours
			sample new.times times_written "$before"
			before=$(written_so_far)
			sample over.ours seconds copy_ours
			sample over.times times_written "$before"
			before=$(written_so_far)
			sample edit_all.ours seconds in_place_ours
			sample edit_all.times times_written "$before"
			sample copy.peak peak
			[ "$round" -gt 1 ] || cmp "$data/source" "$work/mnt/table"
			unmount
			[ "$round" -gt 1 ] || "$ckptctl" verify "$data/few" >/dev/null
			rm -f "$data"/few*
		done
	done
	sample once echo 1
	sample twice echo 2
}

times_written() { # BEFORE
	awk -v a="$1" -v b="$(written_so_far)" -v n="$bytes" 'BEGIN { print (b - a) / n }'
}

# ---- what a FUSE program can do ----

settings=("cached" "cached ahead" "cached killpriv ahead" "direct" "direct ahead" "writeback" "writeback ahead" "direct splice ahead"
	"direct small ahead" "direct single ahead" "direct clone ahead" "direct allocate ahead")

measure_settings() {
	local round setting
	say "settings of a FUSE program"
	for ((round = 1; round <= rounds; round++)); do
		cat "$data/source" >/dev/null
		sync -f "$data"
		sample set.native seconds copy_native "$data/below"
		rm "$data/below"
		for setting in "${settings[@]}"; do
			cat "$data/source" >/dev/null
			sync -f "$data"
			# shellcheck disable=SC2086 # settings are words
			daemon=$("$work/wfloor" "$data/below" 1003 "$work/mnt" ${setting#cached})
			sample "set.${setting// /_}" seconds copy_native "$work/mnt/v"
			unmount
			rm -f "$data/below"
		done
	done
}

# ---- one of many ----

move_through() { # FROM TO
	mv "$work/mnt/$1" "$work/mnt/$2"
	publish
}

remove_through() {
	rm "$work/mnt/$1"
	publish
}

ctl_traced() { # KEY COMMAND...
	if command -v strace >/dev/null; then
		strace -f -y -qq -e trace=pwrite64,write,copy_file_range,ioctl -o "$work/trace" \
			"${@:2}" >/dev/null
		count_written "$1"
	else
		"${@:2}"
	fi
}

table=model/embedding/features_0/table

measure_many() {
	local round
	say "$vars variables"
	"$work/mkbundle" many "$data/many" "$vars" >/dev/null
	for ((round = 1; round <= slow_rounds; round++)); do
		mount_ours "$data/many" -o rw
		sample mv.ours seconds move_through $table/bucket_00000 $table/renamed
		sample mv.ours seconds move_through $table/renamed $table/bucket_00000
		sample rm.ours seconds remove_through "$table/bucket_0001$round"
		sample many.peak peak
		unmount
		sample ctlmv.ours seconds "$ckptctl" mv "$data/many" $table/bucket_00000 renamed
		sample ctlmv.ours seconds "$ckptctl" mv "$data/many" renamed $table/bucket_00000
		sample ctlrm.ours seconds "$ckptctl" rm "$data/many" "$table/bucket_0002$round"
		[ -n "$tensorflow" ] || continue
		sample list.tf seconds "$python" "$work/list.py" "$data/many" 2>>"$work/python.log"
	done
	mount_ours "$data/many" -o rw
	traced mv move_through $table/bucket_00000 $table/renamed
	traced rm remove_through $table/bucket_00030
	unmount
	ctl_traced ctlmv "$ckptctl" mv "$data/many" $table/renamed $table/bucket_00000
	ctl_traced ctlrm "$ckptctl" rm "$data/many" $table/bucket_00031
	[ "$("$ckptctl" ls "$data/many" | wc -l)" -eq $((vars - 2 * slow_rounds - 2)) ] ||
		die "variables are missing, or left"
	rm -f "$data"/many*
}

# ---- memory ----

# One line of the table of growth: what, and the peak after each step.
growth() { # WHAT VALUE...
	printf '| %s |' "$1" >>"$work/growth"
	printf ' %.1f MiB |' "${@:2}" >>"$work/growth"
	printf '\n' >>"$work/growth"
}

fill_mounted() { # BYTES
	printf '{"dtype": "float32", "shape": [%d]}' $(($1 / 4)) >"$work/mnt/filled.json"
	"$work/writers" fill "$work/mnt/filled" "$1"
}

measure_memory() {
	local g n before mounted
	for g in 1 2 4 "$gib"; do
		say "writing $g GiB"
		"$work/mkbundle" sparse "$data/few" 4096 10 >/dev/null
		mount_ours "$data/few" -o rw
		mounted=$(peak)
		sample "fill.$g" fill_mounted $((g << 30))
		before=$(peak)
		sample "fill.$g.publish" seconds publish
		growth "$g GiB written to one variable" "$mounted" "$before" "$(peak)"
		sample "peak.$g" peak
		unmount
		rm -f "$data"/few*
	done
	sample peak.limit echo "$memory_limit"
	for n in 1000 10000 100000 1000000; do
		[ "$n" -le "$vars" ] || continue
		"$work/mkbundle" many "$data/many" "$n" >/dev/null
		mount_ours "$data/many" -o rw
		mounted=$(peak)
		mv "$work/mnt/$table/bucket_00000" "$work/mnt/$table/renamed"
		before=$(peak)
		publish
		growth "one of $n variables renamed" "$mounted" "$before" "$(peak)"
		unmount
		rm -f "$data"/many*
	done
}

# ---- all over ----

random_native() {
	"$work/writers" random "$data/copy" 1
	sync "$data/copy"
}

random_ours() {
	"$work/writers" random "$work/mnt/$big" 1
	sync "$work/mnt/$big"
}

measure_random() {
	local mounted before
	say "4 KiB all over $mib MiB"
	cp "$data/source" "$data/copy"
	sync "$data/copy"
	sample random.native seconds random_native
	rm "$data/copy"
	"$work/mkbundle" big "$data/big" "$bytes" >/dev/null
	mount_ours "$data/big" -o rw
	mounted=$(peak)
	sample random.ours seconds random_ours
	before=$(peak)
	sample random.publish seconds publish
	awk '$1 ~ /^random\.(ours|publish)$/ { s += $2 } END { print "random.all", s }' \
		"$work/samples" >"$work/scaled"
	cat "$work/scaled" >>"$work/samples"
	growth "$((mib * 256)) random writes of 4 KiB to one variable" "$mounted" "$before" "$(peak)"
	unmount
	"$ckptctl" verify "$data/big" >/dev/null
	rm -f "$data"/big*
}

# ---- again and again ----

measure_again() { # the first publish makes the data file longer, and the others should not

	local first
	say "publishing one variable $again_times times"
	"$work/mkbundle" sparse "$data/few" 4096 10 >/dev/null
	mount_ours "$data/few" -o rw
	printf '{"dtype": "uint8", "shape": [%d]}' "$again_bytes" >"$work/mnt/v.json"
	"$work/writers" again "$work/mnt/v" "$work/mnt" "$again_bytes" 1 >/dev/null
	first=$(du -B1 --apparent-size -c "$data"/few.data* | tail -n 1 | cut -f 1)
	sample again.time "$work/writers" again "$work/mnt/v" "$work/mnt" "$again_bytes" \
		"$again_times"
	sample again.peak peak
	unmount
	sample again.size echo "$(du -B1 --apparent-size -c "$data"/few.data* | tail -n 1 | cut -f 1)"
	sample again.first echo "$first"
	rm -f "$data"/few*
}

# ---- all of it ----

begin
need_room $((3 * mib + vars / 5000 + (gib > 2 * mib / 1024 ? gib : 2) * 1024 + 64))
compile mkbundle -lisal
compile writers
# shellcheck disable=SC2046 # flags are words
compile wfloor $(pkg-config --cflags --libs fuse3)
find_tensorflow
cat >"$work/save.py" <<'END'
import sys
import time
import numpy as np
import tensorflow as tf
rows = int(sys.argv[2])
value = np.random.default_rng(1).random((rows, 262144), dtype=np.float32)
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    feed = tf.compat.v1.placeholder(tf.float32, value.shape)
    variable = tf.compat.v1.get_variable("table", initializer=feed, use_resource=True)
    session.run(tf.compat.v1.global_variables_initializer(), {feed: value})
    saver = tf.compat.v1.train.Saver()
    begin = time.monotonic()
    saver.save(session, sys.argv[1], write_meta_graph=False)
    print(time.monotonic() - begin)
END
: >"$work/growth"
head -c "$bytes" /dev/urandom >"$data/source"
printf '{"dtype": "float32", "shape": [%d]}' $((bytes / 4)) >"$data/source.json"

for part in $parts; do
	"measure_$part"
done

print_machine
print_head
size=speed:$bytes
if has_part edit; then
	row "4 KiB of $huge_gib GiB, fsync and publish, against TensorFlow's save" edit.ours \
		save.scaled time 1000
	row "the same: written beyond the index" edit.beyond edit.limit most:KiB 1
fi
if has_part copy; then
	row "cp of a new variable, and publish" new.ours new.native "$size" 0.6
	row "cp over a variable, and publish" over.ours over.native "$size" 0.6
	row "each byte of a new variable is written" new.times once most:times 1.01
	row "each byte over a variable is written" over.times once most:times 1.01
	row "all of a variable in place, and publish" edit_all.ours edit_all.native "$size" ""
	row "each byte in place is written" edit_all.times twice most:times 1.01
fi
if has_part many; then
	row "mv of one of $vars, and publish, against TensorFlow's list" mv.ours list.tf time 1
	row "rm, the same" rm.ours list.tf time 1
	row "ckptctl mv" ctlmv.ours list.tf time 1
	row "ckptctl rm" ctlrm.ours list.tf time 1
fi
if has_part memory; then
	row "peak memory, $gib GiB written" "peak.$gib" peak.limit most:MiB 1
fi
if has_part random; then
	row "4 KiB all over $mib MiB, and fsync" random.ours random.native "$size" ""
	row "the same and its publish, against writes in place" random.all random.native "$size" ""
fi
if has_part again; then
	row "data file after $again_times publishes of 1 MiB, against the first" again.size \
		again.first most:B 4
fi
if has_part settings; then
	printf '\ncp and fsync through a FUSE program that does nothing else, against cp to the disk:\n\n'
	print_head "the floor" "the disk"
	for setting in "${settings[@]}"; do
		row "$setting" "set.${setting// /_}" set.native "$size" ""
	done
fi
if has_part memory || has_part random; then
	printf '\nPeak memory of the daemon (VmHWM):\n\n'
	echo "| what | after mount | after that | after publish |"
	echo "| --- | --- | --- | --- |"
	cat "$work/growth"
fi
echo
for key in edit mv rm ctlmv ctlrm; do
	! grep -q "^$key.index " "$work/samples" ||
		echo "Written by $key: $(median_of $key.index) bytes of index," \
			"$(median_of $key.journal) of journal, $(median_of $key.data) to data files."
done
if has_part again; then
	echo "$again_times publishes took $(median_of again.time %.1f) s."
fi
