# edit_files.bats - the writable mount: calls on open files, and the tools that make them.

load helper
load edit

setup() {
	edit_setup
	take saver
	edit
}

teardown() {
	edit_teardown
}

# What the fixture has of a variable.
old() {
	"$CKPTCTL" cat "$DATA/saver/model.ckpt-100" "$1"
}

@test "an open file keeps what it had when the variable is replaced, moved or deleted" {
	exec 5<"$MNT/dense/bias" 6<"$MNT/dense/kernel" 7<"$MNT/dense_1/kernel"
	bytes 32 >"$MNT/.new"
	mv "$MNT/.new" "$MNT/dense/bias"
	mv "$MNT/dense/kernel" "$MNT/moved"
	rm -r "$MNT/dense_1"
	publish
	cmp - <(old dense/bias) <&5
	cmp - <(old dense/kernel) <&6
	cmp - <(old dense_1/kernel) <&7
	exec 5<&- 6<&- 7<&-
	done_editing
	sound
}

@test "a deleted file can be written to for as long as it is open" {
	exec 5<>"$MNT/.scratch" 6<>"$MNT/dense/bias"
	rm "$MNT/.scratch" "$MNT/dense/bias"
	printf hello >&5
	printf 12345678 >&6
	[ "$(cat "/proc/self/fd/5" 2>/dev/null || :)" = "" ] || :
	publish
	absent dense/bias
	exec 5<&- 6<&-
	[ ! -e "$MNT/dense/bias" ]
	done_editing
	sound
	absent dense/bias
}

@test "O_EXCL" {
	fails_with EEXIST "$FSOP" excl "$MNT/dense/bias"
	"$FSOP" excl "$MNT/.new"
	fails_with EEXIST "$FSOP" excl "$MNT/.new"
	rm "$MNT/.new"
	"$FSOP" excl "$MNT/.new"
}

@test "O_APPEND writes at the end, wherever the kernel believes it to be" {
	local i
	local -a pids=()
	printf start >"$MNT/.log"
	printf -- '-more' >>"$MNT/.log"
	"$FSOP" pwrite-append "$MNT/.log" 0 +end
	[ "$(cat "$MNT/.log")" = start-more+end ]
	: >"$MNT/.lines"
	for i in 1 2 3 4; do
		(
			for _ in {1..100}; do
				echo "writer $i" >>"$MNT/.lines"
			done
		) 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[ "$(wc -l <"$MNT/.lines")" = 400 ]
	[ "$(sort "$MNT/.lines" | uniq -c | awk '{ print $1 }' | tr '\n' ' ')" = "100 100 100 100 " ]
}

@test "O_TRUNC" {
	bytes 32 >new
	cat new >"$MNT/dense/bias"
	cmp new "$MNT/dense/bias"
	: >"$MNT/dense/kernel"
	[ "$(stat -c %s "$MNT/dense/kernel")" = 0 ]
	[ "$(unfinished)" = dense/kernel ]
	old dense/kernel >"$MNT/dense/kernel"
	done_editing
	sound
	has dense/bias new
	has dense/kernel <(old dense/kernel)
}

@test "bytes behind the end are zeros" {
	printf x | dd of="$MNT/.sparse" bs=1 seek=100000 status=none
	[ "$(stat -c %s "$MNT/.sparse")" = 100001 ]
	cmp <(head -c 100000 /dev/zero) <(head -c 100000 "$MNT/.sparse")
	truncate -s 10 "$MNT/.sparse"
	truncate -s 20 "$MNT/.sparse"
	cmp <(head -c 20 /dev/zero) "$MNT/.sparse"
	# a variable that is written from its end to its beginning
	echo '{"dtype": "uint8", "shape": [3000]}' >"$MNT/backwards.json"
	bytes 3000 >new
	dd if=new of="$MNT/backwards" bs=1000 skip=2 seek=2 status=none || :
	[ "$(unfinished)" = backwards ] || [ -z "$(unfinished)" ]
	dd if=new of="$MNT/backwards" bs=1000 skip=1 seek=1 count=1 conv=notrunc status=none
	dd if=new of="$MNT/backwards" bs=1000 count=1 conv=notrunc status=none
	cmp new "$MNT/backwards"
	done_editing
	sound
	has backwards new
}

@test "fallocate: longer, zeros, holes" {
	command -v fallocate >/dev/null || skip "no fallocate"
	fallocate -l 5000 "$MNT/.f"
	[ "$(stat -c %s "$MNT/.f")" = 5000 ]
	fallocate -n -l 9000 "$MNT/.f"
	[ "$(stat -c %s "$MNT/.f")" = 5000 ]
	bytes 5000 >"$MNT/.f"
	cp "$MNT/.f" expected
	fallocate -p -o 100 -l 1000 "$MNT/.f"
	dd if=/dev/zero of=expected bs=100 seek=1 count=10 conv=notrunc status=none
	cmp expected "$MNT/.f"
	fallocate -z -o 2000 -l 10 "$MNT/.f"
	dd if=/dev/zero of=expected bs=10 seek=200 count=1 conv=notrunc status=none
	cmp expected "$MNT/.f"
	fails_with "not supported" fallocate -c -o 0 -l 4096 "$MNT/.f"
	# in a variable
	fallocate -z -o 4 -l 8 "$MNT/dense/bias"
	old dense/bias >bias
	dd if=/dev/zero of=bias bs=4 seek=1 count=2 conv=notrunc status=none
	done_editing
	sound
	has dense/bias bias
}

@test "SEEK_DATA and SEEK_HOLE" {
	truncate -s 1000000 "$MNT/.f"
	printf data | dd of="$MNT/.f" bs=1 seek=500000 conv=notrunc status=none
	local at
	at=$("$FSOP" seek "$MNT/.f" data 0)
	[ "$at" -le 500000 ]
	at=$("$FSOP" seek "$MNT/.f" hole 500000)
	((at >= 500004 && at <= 1000000))
	fails_with ENXIO "$FSOP" seek "$MNT/.f" data 1000000
	[ "$("$FSOP" seek "$MNT/dense/bias" data 0)" = 0 ]
	[ "$("$FSOP" seek "$MNT/dense/bias" hole 0)" = 32 ]
	fails_with ENXIO "$FSOP" seek "$MNT/dense/bias" hole 32
}

@test "copy_file_range" {
	[ "$("$FSOP" copy "$MNT/dense/kernel" 4 "$MNT/dense/bias" 8 16)" = 16 ]
	{
		old dense/bias | head -c 8
		old dense/kernel | tail -c +5 | head -c 16
		old dense/bias | tail -c 8
	} >expected
	cmp expected "$MNT/dense/bias"
	: >"$MNT/.large"
	head -c 5000000 /dev/urandom >large
	cp large "$MNT/.from"
	[ "$("$FSOP" copy "$MNT/.from" 0 "$MNT/.large" 0 6000000)" = 5000000 ]
	cmp large "$MNT/.large"
	[ "$("$FSOP" copy "$MNT/.from" 5000000 "$MNT/.large" 0 10)" = 0 ]
	# with a file that is a text
	: >"$MNT/.text"
	"$FSOP" copy "$MNT/dense/bias.json" 0 "$MNT/.text" 0 100000
	cmp "$MNT/.text" "$MNT/dense/bias.json"
	done_editing
	sound
	has dense/bias expected
}

@test "large files, in pieces of any size" {
	head -c 20000000 /dev/urandom >large
	echo '{"dtype": "uint8", "shape": [20000000]}' >"$MNT/large.json"
	dd if=large of="$MNT/large" bs=7777 status=none
	cmp large "$MNT/large"
	local at
	for at in 0 4095 4096 1048575 1048577 10000000 19999990; do
		printf 'edit' | dd of="$MNT/large" bs=1 seek="$at" conv=notrunc status=none
		printf 'edit' | dd of=large bs=1 seek="$at" conv=notrunc status=none
	done
	cmp large "$MNT/large"
	dd if="$MNT/large" iflag=direct bs=65536 status=none | cmp - large
	done_editing
	sound
	has large large
	edit
	for at in 100 12345678; do
		printf 'again' | dd of="$MNT/large" bs=1 seek="$at" conv=notrunc status=none
		printf 'again' | dd of=large bs=1 seek="$at" conv=notrunc status=none
	done
	done_editing
	sound
	has large large
}

@test "writers and readers at once" {
	local i
	local -a pids=()
	for i in 1 2 3 4; do
		echo '{"dtype": "uint8", "shape": [100000]}' >"$MNT/v$i.json"
		bytes 100000 "$i" >"b$i"
		(
			for _ in 1 2 3 4 5; do
				cp "b$i" "$MNT/v$i" || exit 1
				cmp "b$i" "$MNT/v$i" || exit 2
			done
		) 3>&- &
		pids+=($!)
	done
	for _ in 1 2 3 4 5; do
		cat "$MNT/dense/kernel" "$MNT/.ckptfuse/status.json" >/dev/null
		ls -lR "$MNT" >/dev/null
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	done_editing
	sound
	for i in 1 2 3 4; do
		has "v$i" "b$i"
	done
}

@test "two processes write to one variable" {
	echo '{"dtype": "uint8", "shape": [200000]}' >"$MNT/both.json"
	truncate -s 200000 "$MNT/both"
	bytes 100000 1 >a
	bytes 100000 2 >b
	dd if=a of="$MNT/both" bs=1000 conv=notrunc status=none 3>&- &
	dd if=b of="$MNT/both" bs=1000 seek=100 conv=notrunc status=none
	wait $!
	cat a b | cmp - "$MNT/both"
	done_editing
	sound
	cat a b >expected
	has both expected
}

@test "each write of a handle with O_DSYNC is durable when it returns" {
	local flag syncs=0 more
	bytes 5000 >new
	for flag in '' dsync sync; do
		dd if=new of="$MNT/made$flag" bs=1000 ${flag:+oflag=$flag} status=none
		more=$("$CKPTCTL" journal "$P" | grep -c SYNC) || :
		[ $((more - syncs)) -eq "$([ "$flag" ] && echo 5 || echo 0)" ]
		syncs=$more
	done
	cat new new new | cmp - <(cat "$MNT/made" "$MNT/madedsync" "$MNT/madesync")
}

@test "mapped pages and written bytes are one file" {
	local mapping
	mkfifo fifo
	"$FSOP" mmap "$MNT/dense/kernel" 8 MAPPED fifo >seen 3>&- &
	local mapper=$!
	exec 5>fifo
	printf WRITTEN | dd of="$MNT/dense/kernel" bs=1 seek=20 conv=notrunc status=none
	[ "$(dd if="$MNT/dense/kernel" bs=1 skip=8 count=6 status=none)" = MAPPED ]
	# what is dropped is dropped from the mapping, too
	echo dense/kernel >"$MNT/.ckptfuse/discard"
	cmp "$MNT/dense/kernel" <(old dense/kernel)
	exec 5>&-
	wait "$mapper"
	cmp seen <(old dense/kernel | tail -c +9 | head -c 6; echo)
	done_editing
	sound
	has dense/kernel <(old dense/kernel)
}

@test "tools: install, dd, sed -i, tar, cp -a" {
	bytes 32 1 >bias
	bytes 128 2 >kernel
	install -m 640 bias "$MNT/dense/bias"
	cmp bias "$MNT/dense/bias"
	mkdir -p tree/dense
	cp kernel tree/dense/kernel
	tar -C tree -cf tree.tar .
	tar -C "$MNT" -xf tree.tar
	cmp kernel "$MNT/dense/kernel"
	cp -a kernel "$MNT/dense/kernel.d/Adam"
	done_editing
	rm "$P".*
	take strings
	edit
	printf 'hello world' >"$MNT/scalar"
	sed -i 's/world/there/' "$MNT/scalar"
	[ "$(cat "$MNT/scalar")" = "hello there" ]
	[ "$(find "$MNT" -name 'sed*')" = "" ]
	done_editing
	sound
	has_text scalar "hello there"
}

@test "an editor's way: backup, write anew, sync, delete the backup" {
	bytes 32 >new
	mv "$MNT/dense/bias" "$MNT/dense/bias~"
	cp new "$MNT/dense/bias"
	sync "$MNT/dense/bias"
	rm "$MNT/dense/bias~"
	# and jq through a temporary file
	jq '.shape = [4, 2]' "$MNT/dense/bias.json" >"$MNT/dense/.json.tmp"
	mv "$MNT/dense/.json.tmp" "$MNT/dense/bias.json"
	done_editing
	sound
	has dense/bias new
	is dense/bias float32 "[4,2]"
}

@test "numpy.memmap in place" {
	command -v python3 >/dev/null || skip "no python3"
	python3 - "$MNT/dense/bias" <<-'EOF'
		import mmap, sys
		with open(sys.argv[1], 'r+b') as f:
		    m = mmap.mmap(f.fileno(), 0)
		    m[0:4] = b'abcd'
		    m.flush()
		    m[4:8] = b'efgh'
		    m.close()
	EOF
	[ "$(head -c 8 "$MNT/dense/bias")" = abcdefgh ]
	done_editing
	sound
	[ "$("$CKPTCTL" cat "$P" dense/bias | head -c 8)" = abcdefgh ]
}

@test "df has room in it" {
	run -0 stat -f -c '%S %f %l' "$MNT"
	local size free length
	read -r size free length <<<"$output"
	[ "$size" = 4096 ]
	[ "$free" -gt 0 ]
	[ "$length" = 255 ]
}
