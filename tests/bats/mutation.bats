#!/usr/bin/env bats
# Damaged checkpoints of all kinds: nothing crashes, hangs, or is silent.
#
# tests/unit/mutate changes one file of a checkpoint, the same way for the same seed. Whatever comes
# of it, the commands and the mount end with an exit code of the manual, and a refusal is one line.

bats_require_minimum_version 1.5.0
load helper

setup() {
	mutate=$BUILDDIR/tests/unit/mutate
	work=$BATS_TEST_TMPDIR
}

teardown() {
	unmount_all
}

# mutant SOURCE SEED: a damaged copy of SOURCE's files as $work/m/...; sets prefix.
mutant() {
	local source=$1 seed=$2 files file
	rm -rf "$work/m"
	mkdir "$work/m"
	cp "$source".index "$source".data-* "$work/m/"
	prefix=$work/m/${source##*/}
	files=("$source".index "$source".index "$source".data-*)
	file=${files[seed / 2 % ${#files[@]}]}
	did=$("$mutate" "$file" "$work/m/${file##*/}" "$seed")
}

# acceptable STATUS: 0 and the codes for files that are damaged or something else.
acceptable() {
	case $1 in
	0 | 2 | 3 | 4 | 5) ;;
	*)
		echo "seed $seed ($did): exit $1"
		return 1
		;;
	esac
}

# one_line FILE: at most one line, of the form "ckptctl: ..."
one_line() {
	if [ "$(wc -l <"$1")" -gt 1 ] || grep -qv '^ckpt[a-z]*: ' "$1"; then
		echo "seed $seed ($did) said:"
		cat "$1"
		return 1
	fi
}

mutate_through_ckptctl() {
	local source=$1 from=$2 to=$3 seed status
	for ((seed = from; seed < to; seed++)); do
		mutant "$source" "$seed"
		status=0
		timeout 20 "$CKPTCTL" ls "$prefix" >"$work/out" 2>"$work/err" || status=$?
		acceptable "$status"
		one_line "$work/err"
		if [ "$status" -ne 0 ] && [ ! -s "$work/err" ]; then
			echo "seed $seed ($did): exit $status without a word"
			return 1
		fi
		status=0
		timeout 20 "$CKPTCTL" show --force "$prefix" >"$work/out" 2>"$work/err" || status=$?
		acceptable "$status"
		status=0
		timeout 20 "$CKPTCTL" verify "$prefix" >"$work/out" 2>"$work/err" || status=$?
		acceptable "$status"
		status=0
		timeout 20 "$CKPTCTL" verify --json "$prefix" >"$work/out" 2>"$work/err" || status=$?
		acceptable "$status"
	done
}

@test "200 mutants of a Saver's checkpoint through ckptctl" {
	mutate_through_ckptctl "$SRCDIR/tests/data/saver/model.ckpt-100" 0 200
}

@test "180 mutants of hard names, slices and strings through ckptctl" {
	mutate_through_ckptctl "$SRCDIR/tests/data/names/model.ckpt" 1000 1060
	mutate_through_ckptctl "$SRCDIR/tests/data/sliced/model.ckpt" 2000 2060
	mutate_through_ckptctl "$SRCDIR/tests/data/strings/model.ckpt" 3000 3060
}

# mount_mutants SOURCE FROM TO: mounts with force, reads all there is, and unmounts.
mount_mutants() {
	local source=$1 from=$2 to=$3 seed status mounted=0
	mkdir -p "$work/mnt"
	for ((seed = from; seed < to; seed++)); do
		mutant "$source" "$seed"
		status=0
		timeout 20 "$CKPTFUSE" -o force "$prefix" "$work/mnt" >"$work/out" 2>"$work/err" 3>&- ||
			status=$?
		acceptable "$status"
		if [ "$status" -ne 0 ]; then
			[ -s "$work/err" ]
			continue
		fi
		mounted=$((mounted + 1))
		# Reading may fail where the damage is, and nowhere else is it judged here.
		timeout 60 find "$work/mnt" -type f -exec cat {} + >"$work/out" 2>"$work/err" || true
		timeout 20 cat "$work/mnt/.ckptfuse/status.json" | jq -e .pid >/dev/null ||
			{ echo "seed $seed ($did): the daemon is gone"; return 1; }
		timeout 20 "$CKPTCTL" umount "$work/mnt"
	done
	[ "$mounted" -gt 0 ]
}

@test "40 mutants through a mount, every file read" {
	require_fuse
	mount_mutants "$SRCDIR/tests/data/saver/model.ckpt-100" 5000 5020
	mount_mutants "$SRCDIR/tests/data/sliced/model.ckpt" 6000 6010
	mount_mutants "$SRCDIR/tests/data/strings/model.ckpt" 7000 7010
}
