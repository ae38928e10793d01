#!/usr/bin/env bats
# Edits that wait: status, commit, discard; and what crashes leave; and compact.

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

@test "nothing is staged in a checkpoint without a journal" {
	prints "$p: nothing is staged" status "$p"
	prints "$p: nothing is staged" status "$p.index"
	prints '{
  "staged": [],
  "unfinished": []
}' status --json "$p"
	prints "$p: nothing is staged" commit "$p"
	prints "$p: nothing is staged" discard "$p"
	fails 1 "$p: there is no staged edit of \"dense/bias\": ckptctl status shows what is staged" discard "$p" dense/bias
	unchanged
	prints "$data/saver/model.ckpt-100: nothing is staged" status "$data/saver/model.ckpt-100"
	[ -z "$(find "$data" -name '*ckptfuse*')" ]
}

@test "commit publishes what a dead mount left" {
	crash_with_edits
	run -0 "$CKPTCTL" status "$p"
	[[ $output == *"$p: 1 staged edit, recovered from the journal"* ]]
	[[ $output == *" global_step"* ]]
	run -0 --separate-stderr "$CKPTCTL" commit "$p"
	[[ $output == "$p: 1 variable published ("*")" ]]
	holds global_step <(printf abcdefgh)
	sound
}

@test "discard drops what a dead mount left" {
	crash_with_edits
	run -0 --separate-stderr "$CKPTCTL" discard "$p" global_step
	[ "$output" = "$p: 1 variable is as it was published" ]
	"$CKPTCTL" cat "$p" global_step | cmp - <("$CKPTCTL" cat "$data/saver/model.ckpt-100" global_step)
	prints "$p: nothing is staged" status "$p"
	unchanged
}

@test "edits that were recovered are published along, and said" {
	crash_with_edits
	bytes 32 >new
	run -0 --separate-stderr "$CKPTCTL" set "$p" dense/bias new
	[ "${stderr_lines[-1]}" = "ckptctl: $p: also published: edits recovered from the journal" ]
	holds dense/bias new
	holds global_step <(printf abcdefgh)
	sound
}

@test "a command that fails keeps edits that were recovered" {
	crash_with_edits
	run -1 "$CKPTCTL" set "$p" dense/bias /dev/null
	run -1 "$CKPTCTL" set "$p" global_step /dev/null
	run -0 --separate-stderr "$CKPTCTL" commit "$p"
	holds global_step <(printf abcdefgh)
	sound
}

@test "a journal as text" {
	crash_with_edits
	run -0 --separate-stderr "$CKPTCTL" journal "$p"
	[ -z "$stderr" ]
	[[ $output == *BASE* ]]
	[[ $output == *global_step* ]]
	text=$output
	prints "$text" journal "$p.ckptfuse-journal"
	run -0 "$CKPTCTL" journal --help
	run -0 "$CKPTCTL" --help
	[[ $output != *journal* ]]
	rm "$p.ckptfuse-journal"
	run -2 --separate-stderr "$CKPTCTL" journal "$p"
	[[ $stderr == "ckptctl: $p.ckptfuse-journal: "* ]]
}

# compact

@test "compact gives back what is not used" {
	"$CKPTCTL" rm "$p" '*/Adam' '*/Adam_1'
	size=$(stat -c %s "$p.data-00000-of-00001")
	run -0 --separate-stderr "$CKPTCTL" compact "$p"
	[ -z "$stderr" ]
	after=$(cat "$p".data-* | wc -c)
	[ "$output" = "$p: $((size - after)) bytes given back" ]
	[ "$after" -eq 476 ]
	[ "$("$CKPTCTL" ls "$p" | wc -l)" -eq 9 ]
	holds dense_2/kernel <("$CKPTCTL" cat "$data/saver/model.ckpt-100" dense_2/kernel)
	sound
	prints "$p: there was nothing to give back" compact "$p"
	sound
}

@test "compact of several shards, and of what has been written over many times" {
	cp "$data"/shards5/model.ckpt.* .
	local s=$PWD/model.ckpt want
	bytes 16 >new
	for _ in {1..5}; do
		"$CKPTCTL" set "$s" tower_0/kernel new
	done
	"$CKPTCTL" rm "$s" 'tower_1/*'
	want=$("$CKPTCTL" show --all "$s")
	run -0 --separate-stderr "$CKPTCTL" compact "$s"
	[ -z "$stderr" ]
	[ "$(echo "$s".data-*)" = "$s.data-00000-of-00001" ]
	[ "$("$CKPTCTL" show --all "$s")" = "$want" ]
	holds tower_0/kernel new "$s"
	# 292 bytes of variables, and lengths and a checksum of four times two strings.
	[ "$(stat -c %s "$s.data-00000-of-00001")" -eq $((292 + 4 * (2 + 4))) ]
	sound "$s"
	prints "$s: there was nothing to give back" compact "$s"
}

@test "compact of a checkpoint whose data files hold nothing" {
	"$CKPTCTL" rm "$p" '*'
	prints "$p: 1396 bytes given back" compact "$p"
	[ "$(echo "$p".data-*)" = "$p.data-00000-of-00001" ]
	[ ! -s "$p.data-00000-of-00001" ]
	cmp "$p.index" "$data/empty/model.ckpt.index"
	sound
}

@test "a data file without variables is gone on with" {
	"$CKPTCTL" rm "$p" '*'
	printf 'abcd' | "$CKPTCTL" set --dtype int32 --shape 1 "$p" x -
	[ "$(echo "$p".data-*)" = "$p.data-00000-of-00001" ]
	[ "$(stat -c %s "$p.data-00000-of-00001")" -eq 1400 ]
	sound
}

@test "what is written again and again does not make the data file grow" {
	local i n
	[ -x "$BUILDDIR/tests/unit/fsop" ] || skip "built without the mount's tests"
	"$BUILDDIR/tests/unit/fsop" setxattr "$p.index" user.test x ||
		skip "nothing remembers what died when: no extended attributes on this file system"
	for i in {1..60}; do
		bytes 192 >new
		"$CKPTCTL" set "$p" dense_1/kernel new
		holds dense_1/kernel new
	done
	sound
	# Its bytes now, those of the two publishes before, and what has just been given up.
	n=$(stat -c %s "$p.data-00000-of-00001")
	[ "$n" -le $((1396 + 3 * 192)) ]
	# Others in turn.
	for i in {1..12}; do
		bytes 128 >new
		"$CKPTCTL" set "$p" dense/kernel new
		bytes 32 | "$CKPTCTL" set "$p" dense/bias -
		"$CKPTCTL" mv "$p" dense/ other/
		"$CKPTCTL" mv "$p" other/ dense/
	done
	holds dense/kernel new
	[ "$(stat -c %s "$p.data-00000-of-00001")" -le $((n + 3 * 160)) ]
	sound
}

# What is killed

# killed_at N ARGUMENT...: the command, killed in the N-th of its calls that change something. Its
# status is 0 where it has none as late as that.
killed_at() {
	local calls=pwrite64,fsync,fdatasync,rename,unlink,link,ftruncate,copy_file_range,fsetxattr,openat
	ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" strace -f -o strace.out -e trace="$calls" \
		-e inject="$calls:signal=SIGKILL:when=$1" "$CKPTCTL" "${@:2}" >/dev/null 2>&1
}

# survives ARGUMENT...: killed anywhere, the command has done all or nothing: as readers see it at
# once, and after the next writer.
survives() {
	local before after is n
	strace -o /dev/null true 2>/dev/null || skip "no strace here, or no right to use it"
	before=$("$CKPTCTL" show --all "$p")
	mkdir -p base
	cp "$p".index "$p".data-* base
	"$CKPTCTL" "$@"
	after=$("$CKPTCTL" show --all "$p")
	for ((n = 1; ; n += 2)); do
		rm -f "$p".*
		cp base/* .
		killed_at "$n" "$@" && break
		run -0 "$CKPTCTL" verify "$p"
		is=$("$CKPTCTL" show --all "$p")
		[ "$is" = "$before" ] || [ "$is" = "$after" ]
		run -0 "$CKPTCTL" commit "$p"
		sound
		[ ! -e "$p.ckptfuse-journal.draft" ]
		is=$("$CKPTCTL" show --all "$p")
		[ "$is" = "$before" ] || [ "$is" = "$after" ]
	done
	[ "$n" -gt 9 ]
}

@test "compact, killed anywhere" {
	"$CKPTCTL" rm "$p" '*/Adam'
	survives compact "$p"
}

@test "set, killed anywhere" {
	bytes 128 >new
	survives set "$p" dense/kernel new
}

@test "set in place, killed anywhere" {
	bytes 128 >new
	survives set --publish inplace "$p" dense/kernel new
}

@test "a command that is killed before its end leaves nothing" {
	mkfifo pipe
	exec 7<>pipe
	"$CKPTCTL" set "$p" dense/kernel - <pipe 7>&- &
	pid=$!
	bytes 100 >&7
	wait_until 10 test -e "$p.ckptfuse-journal.draft"
	kill -KILL "$pid"
	wait "$pid" || :
	exec 7>&-
	prints "$p: nothing is staged" status "$p"
	prints "$p: nothing is staged" commit "$p"
	[ ! -e "$p.ckptfuse-journal.draft" ]
	sound
	cmp "$p.index" "$data/saver/model.ckpt-100.index"
}

# Who writes what

@test "a rename and a removal write the index alone" {
	strace -o /dev/null true 2>/dev/null || skip "no strace here, or no right to use it"
	for command in "mv $p dense/bias x" "mv $p dense_1/ y/" "rm $p y/kernel"; do
		# shellcheck disable=SC2086
		ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" strace -f -y -o strace.out \
			-e trace=write,pwrite64,copy_file_range,ftruncate,ioctl "$CKPTCTL" $command
		grep -q "$p.index.ckptfuse-new" strace.out
		run -1 grep -F "$p.data-" strace.out
	done
	cmp "$p.data-00000-of-00001" "$data/saver/model.ckpt-100.data-00000-of-00001"
	sound
}

@test "who only asks writes nothing, though edits wait" {
	local command before
	crash_with_edits
	snapshot() {
		stat -c '%n %i %s %.9Y %.9Z' . "$p"*
	}
	before=$(snapshot)
	for command in "status $p" "status --json $p" "ls $p" "show $p" "cat $p global_step" "verify $p" "journal $p"; do
		# shellcheck disable=SC2086
		"$CKPTCTL" $command >/dev/null
		echo "$command"
		[ "$(snapshot)" = "$before" ]
	done
	run -0 --separate-stderr "$CKPTCTL" status "$p"
	[ -z "$stderr" ]
	[ "$output" = "$p: 1 staged edit, recovered from the journal
changed     global_step
publish the recovered edits with ckptctl commit, or drop them with ckptctl discard" ]
}

# Journals elsewhere

@test "a journal elsewhere, and one that is not there any more" {
	mkdir journals
	require_fuse
	mount_ckpt "$p" -o "rw,journal=$PWD/journals"
	printf 'abcdefgh' | dd of="$MNT/global_step" conv=notrunc,fsync status=none
	kill_mount
	run -0 "$CKPTCTL" status "$p"
	[[ $output == *"changed     global_step"* ]]
	run -0 "$CKPTCTL" journal "$p"
	[[ $output == *'WRITE "global_step"'* ]]
	mv journals elsewhere
	for command in "status $p" "commit $p" "rm $p global_step" "set $p global_step /dev/null" "compact $p" "discard $p global_step"; do
		# shellcheck disable=SC2086
		fails 8 "$p: edits are staged in $PWD/journals/model.ckpt-100.ckptfuse-journal, which is not there: make it reachable, or give them up with ckptctl discard" $command
	done
	mv elsewhere journals
	run -0 "$CKPTCTL" commit "$p"
	holds global_step <(printf abcdefgh)
	[ -z "$(ls journals)" ]
	sound
}

@test "discard gives up a journal that is not there, and its edits do not come back" {
	mkdir journals
	require_fuse
	mount_ckpt "$p" -o "rw,journal=$PWD/journals"
	printf 'abcdefgh' | dd of="$MNT/global_step" conv=notrunc,fsync status=none
	kill_mount
	mv journals elsewhere
	run -0 --separate-stderr "$CKPTCTL" discard "$p"
	[ "$output" = "$p: nothing is staged" ]
	[ "$stderr" = "ckptctl: $p: the edits in $PWD/journals/model.ckpt-100.ckptfuse-journal, which is not there, were given up" ]
	unchanged
	mv elsewhere journals
	prints "$p: nothing is staged" status "$p"
	# Another mount with its journal there does not take it for its own.
	mount_ckpt "$p" -o "rw,journal=$PWD/journals"
	cmp "$MNT/global_step" <("$CKPTCTL" cat "$data/saver/model.ckpt-100" global_step)
	printf 'ijkl' | dd of="$MNT/beta1_power" conv=notrunc,fsync status=none
	kill_mount
	[ -e journals/model.ckpt-100.ckptfuse-journal.aside ]
	run -0 "$CKPTCTL" commit "$p"
	holds beta1_power <(printf ijkl)
	"$CKPTCTL" cat "$p" global_step | cmp - <("$CKPTCTL" cat "$data/saver/model.ckpt-100" global_step)
	sound
}
