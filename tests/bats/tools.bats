# tools.bats - the writable mount under editors, shells and small writers, as people have them.
#
# What each leaves is looked at in the published checkpoint, byte by byte. tools_copy.bats has the
# tools that copy trees.

load helper
load edit

setup() {
	edit_setup
}

teardown() {
	edit_teardown
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip "no $tool"
	done
}

# What the fixture has of a variable.
old() {
	"$CKPTCTL" cat "$DATA/saver/model.ckpt-100" "$1"
}

# The variable as it would be with TEXT at OFFSET.
old_with() {
	old "$1" >"$BATS_TEST_TMPDIR/with"
	printf '%s' "$3" | dd of="$BATS_TEST_TMPDIR/with" bs=1 seek="$2" conv=notrunc status=none
	cat "$BATS_TEST_TMPDIR/with"
}

# No file of an editor's or another tool's own is left, neither shown nor published.
tidy() {
	find "$MNT" -mindepth 1 ! -path "$MNT/.ckptfuse*" \
		\( -name '.*' -o -name '*~' -o -name '#*' -o -name '*.tmp' -o -name 'sed*' \) |
		tee left
	[ ! -s left ]
}

# vim as people have it, without what the machine's own settings would add. A folder for backups
# elsewhere, or that files in /tmp need none, is set by default: neither is wanted here.
_vim() {
	vim -N -u NONE -i NONE -b -es -c 'set backupskip=' "$@" </dev/null
}

@test "vim: bytes of a variable, with and without backups" {
	need vim
	take saver
	edit
	local copy backup letter=A
	for copy in yes no auto breaksymlink,no; do
		for backup in 'backup' 'nobackup writebackup' 'nobackup nowritebackup'; do
			echo "# backupcopy=$copy $backup"
			_vim -c "set $backup backupcopy=$copy" -c 'set binary noeol' \
				-c "normal gg0r$letter" -c wq "$MNT/dense/kernel"
			cmp "$MNT/dense/kernel" <(old_with dense/kernel 0 "$letter")
			if [ "$backup" = backup ]; then
				# it holds what was there before, and is no variable
				[ "$(stat -c %s "$MNT/dense/kernel~")" = 128 ]
				[ ! -e "$MNT/dense/kernel~.json" ]
				rm "$MNT/dense/kernel~"
			fi
			tidy
			[ -z "$(unfinished)" ]
			publish
			has dense/kernel <(old_with dense/kernel 0 "$letter")
			letter=$(tr A-Y B-Z <<<"$letter")
		done
	done
	done_editing
	sound
	is dense/kernel float32 "$("$CKPTCTL" ls --json "$DATA/saver/model.ckpt-100" dense/kernel |
		jq -c '.[0].shape')"
	[ "$(names)" = "$(names "$DATA/saver/model.ckpt-100")" ]
}

@test "vim: a shape in V.json, with and without backups" {
	need vim
	take saver
	edit
	local copy backup
	for copy in yes no auto; do
		for backup in 'backup' 'nobackup writebackup' 'nobackup nowritebackup'; do
			echo "# backupcopy=$copy $backup"
			[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[8]" ]
			_vim -c "set $backup backupcopy=$copy" -c 'g/"shape"/s/\[.*\]/[2, 4]/' -c wq \
				"$MNT/dense/bias.json"
			[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[2,4]" ]
			rm -f "$MNT/dense/bias.json~"
			tidy
			publish
			is dense/bias float32 "[2,4]"
			_vim -c "set $backup backupcopy=$copy" -c 'g/"shape"/s/\[.*\]/[8]/' -c wq \
				"$MNT/dense/bias.json"
			rm -f "$MNT/dense/bias.json~"
			publish
			is dense/bias float32 "[8]"
			has dense/bias <(old dense/bias)
		done
	done
	done_editing
	sound
	[ "$(names)" = "$(names "$DATA/saver/model.ckpt-100")" ]
}

@test "vim: a text that is no JSON is refused, and vim says so" {
	need vim
	take saver
	edit
	run ! _vim -c 'set nobackup backupcopy=yes' -c 'normal GdG' -c 'w!' -c q \
		"$MNT/dense/bias.json"
	[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[8]" ]
	grep -F dense/bias "$LOG"
	_vim -c 'normal gg0rQ' -c wq "$MNT/dense/bias"
	done_editing
	sound
	has dense/bias <(old_with dense/bias 0 Q)
}

@test "vim in a terminal: a string, and bytes, are typed" {
	need vim script
	take strings
	edit
	printf 'a string' >"$MNT/scalar"
	# "new " is inserted, then the file written; the last newline is vim's own habit
	printf 'inew \033:wq\r' | TERM=xterm timeout 30 script -qec \
		"vim -N -u NONE -i NONE -c 'set nofixeol' '$MNT/scalar'" /dev/null >screen 3>&-
	[ "$(cat "$MNT/scalar")" = "new a string" ]
	tidy
	done_editing
	sound
	has_text scalar "new a string"
	rm "$P".*
	take saver
	edit
	printf '0rX:wq\r' | TERM=xterm timeout 30 script -qec \
		"vim -N -u NONE -i NONE -b '$MNT/dense/bias'" /dev/null >screen 3>&-
	tidy
	done_editing
	sound
	has dense/bias <(old_with dense/bias 0 X)
}

@test "vim: a swap file is there while the editor is, and may be recovered from" {
	need vim
	take strings
	edit
	printf 'a string' >"$MNT/scalar"
	mkfifo keys
	vim -N -u NONE -i NONE -e -s "$MNT/scalar" <keys >/dev/null 3>&- &
	local pid=$!
	exec 4>keys
	printf '%s\n' 's/a/another/' preserve >&4
	wait_until 10 test -s "$MNT/.scalar.swp"
	# the swap file is no variable: publishing does not wait for it
	publish
	has_text scalar "a string"
	kill -KILL "$pid"
	wait "$pid" || :
	exec 4>&-
	vim -N -u NONE -i NONE -es -r "$MNT/scalar" -c 'set nofixeol' -c 'w!' -c q </dev/null
	[ "$(cat "$MNT/scalar")" = "another string" ]
	rm "$MNT/.scalar.swp"
	done_editing
	sound
	has_text scalar "another string"
}

@test "ed, ex: rewritten in place" {
	need ed
	take saver
	edit
	printf '%s\n' '/shape/s/\[.*\]/[4, 2]/' w q | ed -s "$MNT/dense/bias.json"
	done_editing
	sound
	is dense/bias float32 "[4,2]"
	has dense/bias <(old dense/bias)
}

@test "sed -i: V.json and a string, with and without a backup" {
	take saver
	edit
	sed -i '/"shape"/s/\[.*\]/[2, 4]/' "$MNT/dense/bias.json"
	[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[2,4]" ]
	sed -i~ '/"shape"/s/\[.*\]/[3, 2, 1]/' "$MNT/dense_1/bias.json"
	[ "$(jq -c .shape "$MNT/dense_1/bias.json~")" = "[6]" ]
	rm "$MNT/dense_1/bias.json~"
	sed -i --follow-symlinks 's/float32/int32/' "$MNT/dense/kernel.json"
	tidy
	done_editing
	sound
	is dense/bias float32 "[2,4]"
	is dense_1/bias float32 "[3,2,1]"
	"$CKPTCTL" ls --json "$P" dense/kernel | jq -e '.[0].dtype == "int32"'
	has dense/kernel <(old dense/kernel)
	rm "$P".*
	take strings
	edit
	printf 'hello world' >"$MNT/scalar"
	sed -i 's/world/there/' "$MNT/scalar"
	sed -i.bak~ 's/hello/well/' "$MNT/scalar"
	[ "$(cat "$MNT/scalar.bak~")" = "hello there" ]
	# a text that does not fit: sed is told, and nothing else has changed
	cp "$MNT/matrix.json" before
	fails_with "Invalid argument" sed -i 's/string/stringg/' "$MNT/matrix.json"
	cmp before "$MNT/matrix.json"
	rm "$MNT/scalar.bak~"
	find "$MNT" -name 'sed*' -delete
	done_editing
	sound
	has_text scalar "well there"
}

@test "the shell: > and >>, and what is left of a file that was cut" {
	take strings
	edit
	printf 'one' >"$MNT/scalar"
	printf ' two' >>"$MNT/scalar"
	{
		printf ' three'
		printf ' four'
	} >>"$MNT/scalar"
	[ "$(cat "$MNT/scalar")" = "one two three four" ]
	: >"$MNT/scalar_bytes"
	echo hi | tee -a "$MNT/scalar_bytes" >/dev/null
	done_editing
	sound
	has_text scalar "one two three four"
	has_text scalar_bytes $'hi\n'
	rm "$P".*
	take saver
	edit
	bytes 16 1 >a
	bytes 16 2 >b
	cat a b >ab
	# 16 bytes of 32: the shell cannot say that it failed, the mount does
	cat a >"$MNT/dense/bias" || :
	[ "$(unfinished)" = dense/bias ]
	cat b >>"$MNT/dense/bias"
	[ -z "$(unfinished)" ]
	cat a 1<>"$MNT/dense/bias.d/Adam"
	done_editing
	sound
	has dense/bias ab
	has dense/bias/Adam <(cat a && old dense/bias/Adam | tail -c 16)
}

@test "dd, with all its ways of writing" {
	take saver
	edit
	printf 'abcd' | dd of="$MNT/dense/bias" bs=1 seek=4 conv=notrunc status=none
	bytes 128 >new
	dd if=new of="$MNT/dense/kernel" bs=16 status=none
	dd if=new of="$MNT/dense/kernel.d/Adam" bs=128 conv=fsync,notrunc status=none
	dd if=new of="$MNT/dense/kernel.d/Adam_1" bs=32 oflag=sync status=none
	dd if=new of="$MNT/dense_1/bias" bs=8 count=3 conv=nocreat,fdatasync status=none
	bytes 8 7 >extra
	dd if=extra of="$MNT/dense_2/bias" oflag=append,dsync conv=notrunc status=none || :
	# eight bytes too many
	[[ " $(unfinished) " == *" dense_2/bias "* ]]
	truncate -s -8 "$MNT/dense_2/bias"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has dense/bias <(old_with dense/bias 4 abcd)
	has dense/kernel new
	has dense/kernel/Adam new
	has dense/kernel/Adam_1 new
	has dense_1/bias <(head -c 24 new)
	has dense_2/bias <(old dense_2/bias)
}

@test "truncate, and fallocate of a new variable" {
	take saver
	edit
	truncate -s 0 "$MNT/dense/bias"
	truncate -s 32 "$MNT/dense/bias"
	truncate -s +8 "$MNT/dense/kernel"
	[ "$(unfinished)" = dense/kernel ]
	truncate -r "$MNT/dense/kernel.d/Adam" "$MNT/dense/kernel"
	[ -z "$(unfinished)" ]
	truncate -c -s 10 "$MNT/none"
	[ ! -e "$MNT/none" ]
	echo '{"dtype": "uint8", "shape": [5000]}' >"$MNT/new.json"
	truncate -s 5000 "$MNT/new"
	done_editing
	sound
	has dense/bias <(head -c 32 /dev/zero)
	has dense/kernel <(old dense/kernel)
	has new <(head -c 5000 /dev/zero)
}

@test "Python: open('r+b'), a temporary file and os.replace, mmap" {
	need python3
	take saver
	edit
	python3 - "$MNT/dense" <<-'EOF'
		import mmap, os, sys, tempfile
		d = sys.argv[1]
		with open(d + '/bias', 'r+b') as f:
		    f.seek(4)
		    f.write(b'efgh')
		    f.flush()
		    os.fsync(f.fileno())
		    f.seek(0)
		    f.write(b'abcd')
		with open(d + '/bias', 'rb') as f:
		    assert f.read(8) == b'abcdefgh'
		fd, name = tempfile.mkstemp(dir=d)
		with open(fd, 'wb') as f:
		    f.write(b'k' * 128)
		os.replace(name, d + '/kernel')
		with open(d + '/kernel.d/Adam', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
		    m[4:8] = b'MMAP'
		    m.flush()
		    m[0:4] = b'LATE'
	EOF
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has dense/bias <(old_with dense/bias 0 abcdefgh)
	has dense/kernel <(printf 'k%.0s' {1..128})
	has dense/kernel/Adam <(old_with dense/kernel/Adam 0 LATEMMAP)
	[ "$(names)" = "$(names "$DATA/saver/model.ckpt-100")" ]
}

@test "a writer that makes a sibling, gives it its size, writes, and renames, without a sync" {
	take saver
	edit
	local name big=$((5 * 1048576 + 4321)) pid
	echo "{\"dtype\": \"uint8\", \"shape\": [$big]}" >"$MNT/weights.json"
	head -c "$big" /dev/zero >"$MNT/weights"
	# names as such writers make them, scratch or not
	for name in .tmpAb12Cd weights.tmp tmp8x_k2q1z weights.1234.partial; do
		head -c "$big" /dev/urandom >new
		"$FSOP" savefile "$MNT" "$name" weights <new
		cmp new "$MNT/weights"
		[ ! -e "$MNT/$name" ]
		[ -z "$(unfinished)" ]
		# the rename was the promise
		pid=$(mount_pid "$MNT")
		kill -KILL "$pid"
		wait_gone "$pid"
		edit
		cmp new "$MNT/weights"
		publish
		has weights new
	done
	done_editing
	sound
	is weights uint8 "[$big]"
	# nothing is copied: it lies where it was written
	edit
	head -c "$big" /dev/urandom >new
	"$FSOP" savefile "$MNT" .tmpZZ weights <new
	publish
	[ "$(jq '.last_publish.copied_bytes' "$STATUS")" = 0 ]
	done_editing
	sound
	has weights new
}

@test "a writer that is killed in the middle leaves what was there" {
	take saver
	edit
	bytes 64 >new
	mkfifo fifo
	"$FSOP" hold "$MNT/dense/.bias.tmp" 16 <fifo >held 3>&- &
	local pid=$!
	exec 4>fifo
	wait_until 10 test -s held
	kill -KILL "$pid"
	wait "$pid" || :
	exec 4>&-
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has dense/bias <(old dense/bias)
	[ "$(names)" = "$(names "$DATA/saver/model.ckpt-100")" ]
}

@test "two processes edit one variable and two others, for a while" {
	take saver
	edit
	local i
	local -a pids=()
	echo '{"dtype": "uint8", "shape": [65536]}' >"$MNT/shared.json"
	truncate -s 65536 "$MNT/shared"
	publish
	bytes 65536 1 >a
	bytes 65536 2 >b
	for i in a b; do
		echo '{"dtype": "uint8", "shape": [65536]}' >"$MNT/own_$i.json"
		(
			set -e
			at=$([ "$i" = a ] && echo 0 || echo 8)
			for n in {1..10}; do
				cp "$i" "$MNT/own_$i"
				cmp "$i" "$MNT/own_$i"
				dd if="$i" of="$MNT/shared" bs=4096 skip="$at" seek="$at" count=8 \
					conv=notrunc status=none
				cp "$i" "$MNT/.replace_$i"
				mv "$MNT/.replace_$i" "$MNT/own_$i"
				((n % 4)) || sync "$MNT/own_$i"
			done
		) 3>&- &
		pids+=($!)
	done
	# it is refused while one of them is half written, and never wrong
	for _ in 1 2 3 4 5; do
		echo >"$MNT/.ckptfuse/commit" || :
		"$CKPTCTL" verify "$P"
	done 2>refused
	for i in "${pids[@]}"; do
		wait "$i"
	done
	{
		head -c 32768 a
		tail -c 32768 b
	} >expected
	cmp expected "$MNT/shared"
	done_editing
	sound
	has shared expected
	has own_a a
	has own_b b
}
