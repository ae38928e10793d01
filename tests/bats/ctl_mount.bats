#!/usr/bin/env bats
# The commands of ckptctl that edit, through the mount that holds the checkpoint.

# shellcheck disable=SC2154 # p and data are set in ctl.bash
bats_require_minimum_version 1.5.0
load helper
load ctl

setup() {
	ctl_setup
}

teardown() {
	unmount_all
}

@test "set through a mount, by the checkpoint or the mount point" {
	mount_rw
	bytes 32 >new
	prints "" set "$p" dense/bias new
	cmp "$MNT/dense/bias" new
	holds dense/bias new
	bytes 128 >new
	prints "" set "$MNT" dense/kernel new
	cmp "$MNT/dense/kernel" new
	holds dense/kernel new
	prints "" set --dtype float64 --shape 2,2,4 "$p" dense/kernel new
	[ "$(row dense/kernel)" = "dense/kernel  float64  [2,2,4]  128" ]
	prints "" set --dtype float64 --shape 16 "$MNT/" a/b/c new
	cmp "$MNT/a/b/c" new
	holds a/b/c new
	bytes 4 >small
	prints "" set --dtype float32 --shape 1 "$p" a/b small
	cmp "$MNT/a/b" small
	cmp "$MNT/a/b.d/c" new
	prints "" umount "$MNT"
	sound
	holds a/b small
}

@test "what does not fit is refused by a mount as well" {
	mount_rw
	bytes 31 >short
	fails 1 "$MNT: variable \"dense/bias\": 31 bytes given, 32 expected (float32 [8]): nothing was changed" set "$p" dense/bias short
	# shellcheck disable=SC2016
	run -1 --separate-stderr bash -c 'cat short | "$0" set "$1" dense/bias -' "$CKPTCTL" "$p"
	[ "$stderr" = "ckptctl: $MNT: variable \"dense/bias\": 31 bytes given, 32 expected (float32 [8]): nothing was changed" ]
	fails 1 "$MNT: there is no variable \"new\": --dtype and --shape make a new one" set "$p" new short
	# shellcheck disable=SC2016
	run -1 --separate-stderr bash -c 'cat short | "$0" set --dtype int8 --shape 30 "$1" new/one -' "$CKPTCTL" "$p"
	[ "$stderr" = "ckptctl: $MNT: variable \"new/one\": more than 30 bytes given, 30 expected (int8 [30]): nothing was changed" ]
	[ ! -e "$MNT/new/one" ]
	prints "$MNT: nothing is staged" status "$p"
	prints "" umount "$MNT"
	"$CKPTCTL" cat "$p" dense/bias | cmp - <("$CKPTCTL" cat "$data/saver/model.ckpt-100" dense/bias)
	sound
}

@test "mv and rm through a mount" {
	mount_rw
	prints "" mv "$p" dense/ fc/
	[ -f "$MNT/fc/kernel" ]
	[ -f "$MNT/fc/kernel.d/Adam" ]
	prints "" mv "$MNT" fc/kernel fc/kernel/w
	[ -f "$MNT/fc/kernel.d/w" ] || [ -f "$MNT/fc/kernel/w" ]
	prints "$MNT: 12 variables removed" rm "$p" '*/Adam' '*/Adam_1'
	fails 1 "$MNT: there is no variable \"x\": ckptctl ls shows what there is" rm "$p" x
	fails 1 "$MNT: there is no scope \"dense/\": ckptctl ls shows what there is" mv "$p" dense/ y/
	fails 1 "$MNT: \"fc\" is a scope, not a variable: give 'fc/*' for what lies in it" mv "$p" fc y
	fails 1 "$MNT: there is a scope \"dense_1/\" already: rename the variables of \"fc/\" one by one, or remove those of \"dense_1/\" first" mv "$p" fc/ dense_1/
	[ "$("$CKPTCTL" ls "$p" | wc -l)" -eq 9 ]
	holds fc/kernel/w <("$CKPTCTL" cat "$data/saver/model.ckpt-100" dense/kernel)
	prints "" umount "$MNT"
	sound
}

@test "odd names through a mount" {
	cp "$data"/names/model.ckpt.* .
	local n=$PWD/model.ckpt name
	mount_rw "$n"
	bytes 4 >new
	long=$(printf 'x%.0s' {1..300})
	for name in 'a=b' '..' 'x.json' '.hidden' 'back\slash' $'new\nline' '%' 'tail~' 'a//b' 'x.d/y.d' "$long"; do
		echo "$name"
		"$CKPTCTL" set --dtype int32 --shape 1 "$n" "new/$name" new
		holds "new/$name" new "$n"
		"$CKPTCTL" mv "$n" "new/$name" "$name/moved"
		holds "$name/moved" new "$n"
		"$CKPTCTL" rm "$n" "$name/moved"
	done
	names=$("$CKPTCTL" ls "$data/names/model.ckpt")
	[ "$("$CKPTCTL" ls "$n")" = "$names" ]
	prints "" umount "$MNT"
	sound "$n"
}

@test "cp into a mount, and out of one" {
	mount_rw
	cp "$data"/strings/model.ckpt.* .
	prints "" cp model.ckpt "$p"
	[ "$("$CKPTCTL" show --all "$p" cube | head -n -1)" = "$("$CKPTCTL" show --all model.ckpt cube | head -n -1)" ]
	prints "" cp "$data/big-endian/model.ckpt" "$MNT" matrix/=be/
	[ "$("$CKPTCTL" show --all "$p" be/float32 | tail -n +2)" = "$("$CKPTCTL" show --all "$data/big-endian/model.ckpt" matrix/float32 | tail -n +2 | sed 's/params: .*/params: '"$("$CKPTCTL" show "$p" be/float32 | sed -n 's/.*params: //p')"'/')" ]
	bytes 32 >new
	cp new "$MNT/dense/bias"
	# What is staged is in the mount, not in the checkpoint.
	prints "" cp "$MNT" shown dense/bias
	prints "" cp "$p" published dense/bias
	holds dense/bias new shown
	holds dense/bias <("$CKPTCTL" cat "$data/saver/model.ckpt-100" dense/bias) published
	says "$MNT: also published: edits that were staged in the mount" cp "$p" "$p" dense/kernel=copy
	holds dense/bias new
	prints "" umount "$MNT"
	sound
	sound shown
}

@test "status, commit and discard through a mount" {
	mount_rw
	prints "$MNT: nothing is staged" status "$p"
	prints "$MNT: nothing is staged" commit "$MNT"
	bytes 32 >new
	cp new "$MNT/dense/bias"
	rm "$MNT/global_step"
	printf 'abc' >"$MNT/unknown"
	for source in "$p" "$MNT"; do
		run -0 --separate-stderr "$CKPTCTL" status "$source"
		[ -z "$stderr" ]
		[[ ${lines[0]} == "$MNT: "*" staged edits, 1 unfinished" ]]
		[[ $output == *"unfinished  unknown: "* ]]
		[[ $output == *dense/bias* ]]
		[[ $output == *global_step* ]]
	done
	run -0 "$CKPTCTL" status "$p" 'dense/*'
	[[ $output == *dense/bias* ]]
	[[ $output != *global_step* ]]
	[[ $output != *unknown* ]]
	fails 1 "$MNT: there is no staged edit of \"dense/kernel\": ckptctl status shows what is staged" status "$p" dense/kernel
	run -0 "$CKPTCTL" status --json "$p"
	[[ $output == *'"mode": "rw"'* ]]
	run -7 --separate-stderr "$CKPTCTL" commit "$p"
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *unknown* ]]
	prints "$MNT: 1 variable is as it was published" discard "$p" unknown
	[ ! -e "$MNT/unknown" ]
	prints "$MNT: 1 variable is as it was published" discard "$MNT" global_step
	cmp "$MNT/global_step" <("$CKPTCTL" cat "$data/saver/model.ckpt-100" global_step)
	run -0 --separate-stderr "$CKPTCTL" commit "$p"
	[[ $output == "$MNT: 1 variable published ("*")" ]]
	holds dense/bias new
	rm -r "$MNT/dense"
	run -0 "$CKPTCTL" discard "$p"
	[[ $output == "$MNT: "*" variables are as they were published" ]]
	cmp "$MNT/dense/bias" new
	prints "$MNT: nothing is staged" status "$p"
	prints "" umount "$MNT"
	sound
}

@test "discard of what was renamed in a ring, and of what lay in a deleted folder" {
	mount_rw
	mv "$MNT/dense/bias" "$MNT/t"
	mv "$MNT/dense_1/bias" "$MNT/dense/bias"
	mv "$MNT/t" "$MNT/dense_1/bias"
	mv "$MNT/dense_2/bias" "$MNT/x"
	mv "$MNT/dense_2/kernel" "$MNT/dense_2/bias"
	mv "$MNT/dense/kernel.d/Adam" "$MNT/y"
	rm -r "$MNT/dense/kernel.d" "$MNT/dense_1/kernel.d"
	for how in mount journal; do
		fails 1 "$p: \"dense_2/bias\" cannot go back: another variable was renamed to that: discard that first" discard "$p" x
		[ $how = journal ] || {
			sync "$MNT/x"
			kill_mount
		}
	done
	prints "$p: 1 variable is as it was published" discard "$p" dense/bias
	prints "$p: 2 variables are as they were published" discard "$p" x dense_2/bias
	prints "$p: 1 variable is as it was published" discard "$p" y
	prints "$p: 1 variable is as it was published" discard "$p" dense/kernel/Adam_1
	prints "$p: 2 variables are as they were published" discard "$p" 'dense_1/*'
	prints "$p: nothing is staged" status "$p"
	run -0 "$CKPTCTL" commit "$p"
	unchanged
}

@test "a checkpoint that is mounted read-only can be edited, its mount point cannot" {
	require_fuse
	mount_ckpt "$p"
	bytes 32 >new
	fails 1 "$MNT: mounted read-only: mount it with -o rw, or give the checkpoint itself, $p" set "$MNT" dense/bias new
	fails 1 "$MNT: mounted read-only: mount it with -o rw, or give the checkpoint itself, $p" commit "$MNT"
	prints "$p: nothing is staged" status "$MNT"
	prints "" cp "$MNT" b 'dense/*'
	[ "$("$CKPTCTL" ls b | wc -l)" -eq 6 ]
	prints "" set "$p" dense/bias new
	holds dense/bias new
	"$CKPTCTL" umount "$MNT"
	sound
	sound b
}

@test "what a mount cannot do" {
	mount_rw
	fails 8 "$MNT: mounted, and a mount cannot be compacted: ckptctl umount $MNT first" compact "$p"
	fails 1 "$MNT: a mount publishes as it was told when it was mounted: leave --publish out" commit --publish replace "$p"
	prints "" umount "$MNT"
	unchanged
}

@test "a checkpoint held by another command is busy" {
	mkfifo pipe
	bytes 32 >new
	exec 7<>pipe
	"$CKPTCTL" set "$p" dense/bias - <pipe 7>&- &
	pid=$!
	wait_until 10 test -s "$p.ckptfuse-lock"
	run -8 --separate-stderr "$CKPTCTL" set "$p" dense/bias new
	[[ $stderr == "ckptctl: $p: "*"ckptctl set"* ]]
	cat new >&7
	exec 7>&-
	wait "$pid"
	holds dense/bias new
	sound
}

@test "a folder that only looks like a mount is not believed" {
	mkdir -p fake/.ckptfuse
	echo '{"mode": "rw", "source": "'"$p"'"}' >fake/.ckptfuse/status.json
	printf x >fake/x
	run ! "$CKPTCTL" set --dtype int8 --shape 1 fake x new
	run ! "$CKPTCTL" rm fake x
	[ -f fake/x ]
	echo '{"pid": 1, "holder": "'"$PWD/fake"'", "host": "x"}' >"$p.ckptfuse-lock"
	bytes 32 >new
	prints "" set "$p" dense/bias new
	holds dense/bias new
	[ -z "$(find fake -newer new)" ]
}

# umount

@test "umount publishes" {
	mount_rw
	bytes 32 >new
	cp new "$MNT/dense/bias"
	pid=$(mount_pid "$MNT")
	prints "" umount "$MNT"
	_is_gone "$pid"
	holds dense/bias new
	sound
}

@test "umount says what could not be published, and its journal keeps it" {
	mount_rw
	bytes 32 >new
	cp new "$MNT/dense/bias"
	printf 'abc' >"$MNT/unknown"
	run -7 --separate-stderr "$CKPTCTL" umount "$MNT"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "ckptctl: "*unknown*": unmounted, and its journal keeps the edits: ckptctl status $p shows them" ]]
	run -1 is_mounted "$MNT"
	cmp "$p.index" "$data/saver/model.ckpt-100.index"
	run -0 "$CKPTCTL" status "$p"
	[[ $output == *dense/bias* ]]
	[[ $output == *"unfinished  unknown: "* ]]
	run -7 "$CKPTCTL" commit "$p"
	run -0 "$CKPTCTL" discard "$p" unknown
	run -0 "$CKPTCTL" commit "$p"
	holds dense/bias new
	sound
}
