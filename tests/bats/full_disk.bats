# full_disk.bats - the writable mount on a disk that is full, or has a quota, or can share blocks.
#
# What must hold: the call that fails says so; the published checkpoint is whole at any moment;
# what had been made durable is still there; and once there is room, a commit finishes the work.

load helper
load edit

setup() {
	edit_setup
	[ "$(id -u)" = 0 ] || skip "not root, who could mount a small disk"
	SMALL=$BATS_TEST_TMPDIR/small
	mkdir "$SMALL"
}

teardown() {
	local failed=0
	edit_teardown || failed=1
	if is_mounted "$SMALL"; then
		umount "$SMALL" || umount -l "$SMALL" || failed=1
	fi
	return "$failed"
}

# small_disk TYPE MIB [OPTION...]: one of that size, mounted on $SMALL.
small_disk() {
	local type=$1 size=$2
	shift 2
	if [ "$type" = tmpfs ]; then
		mount -t tmpfs -o "size=${size}m" "$@" tmpfs "$SMALL" || skip "no tmpfs can be mounted"
		return
	fi
	PATH=$PATH:/usr/sbin:/sbin
	command -v "mkfs.$type" >/dev/null || skip "no mkfs.$type"
	truncate -s "${size}M" disk
	case $type in
	ext4) mkfs.ext4 -q -m 0 -O ^has_journal disk ;;
	xfs) mkfs.xfs -q -m reflink=1 disk ;;
	*) "mkfs.$type" -q disk ;;
	esac
	mount -o loop "$@" disk "$SMALL" || skip "no $type on a loop device can be mounted here"
}

# Writes a file until nothing more fits, and gives BYTES of it back.
fill_but() {
	dd if=/dev/zero of="$SMALL/filler" bs=64k status=none 2>/dev/null || :
	dd if=/dev/zero of="$SMALL/filler" bs=512 oflag=append conv=notrunc status=none 2>/dev/null || :
	sync -f "$SMALL"
	truncate -s "-$1" "$SMALL/filler"
	sync -f "$SMALL"
}

# The checkpoint to begin with, in the folder $1: it has a variable of 200000 bytes more.
take_to() {
	DIR=$1
	P=$DIR/model.ckpt
	take saver
	edit "${@:2}"
	echo '{"dtype": "uint8", "shape": [200000]}' >"$MNT/big.json"
	bytes 200000 9 >big
	cp big "$MNT/big"
	done_editing
	old=$(sha256sum <"$P.index")
	bytes 200000 10 >new_big
	bytes 150000 11 >made
	bytes 128 12 >kernel
}

# As it was in the beginning, whoever looks.
intact() {
	"$CKPTCTL" verify "$P"
	[ "$(sha256sum <"$P.index")" = "$old" ]
	has big big
	has dense/kernel <("$CKPTCTL" cat "$DATA/saver/model.ckpt-100" dense/kernel)
}

# Edits of each kind; those that fail have to say why. Counts them in FAILED.
edit_all() {
	FAILED=0
	try dd if=new_big of="$MNT/big" bs=16k conv=notrunc status=none
	try cp kernel "$MNT/dense/kernel"
	try eval 'echo "{\"dtype\": \"uint8\", \"shape\": [150000]}" >"$MNT/made.json"'
	try cp made "$MNT/made"
	try mv "$MNT/beta1_power" "$MNT/renamed"
	try rm "$MNT/beta2_power"
	try sync "$MNT/big"
}

try() {
	local said
	said=$("$@" 2>&1) && return
	FAILED=$((FAILED + 1))
	[[ $said == *"No space left"* || $said == *"quota exceeded"* ||
		$said == *"No such file"* && $1 == @(mv|rm|sync) ]] || {
		echo "$*: $said"
		cat "$LOG"
		return 1
	}
}

# After room was made: what had failed is done again, as people do, and all of it is published.
all_there() {
	local name
	cp new_big "$MNT/big"
	cp kernel "$MNT/dense/kernel"
	echo '{"dtype": "uint8", "shape": [150000]}' >"$MNT/made.json"
	cp made "$MNT/made"
	[ -e "$MNT/renamed" ] || mv "$MNT/beta1_power" "$MNT/renamed"
	rm -f "$MNT/beta2_power"
	"$CKPTCTL" commit "$MNT"
	all_published
}

all_published() {
	"$CKPTCTL" verify "$P"
	has big new_big
	has dense/kernel kernel
	has made made
	has renamed <("$CKPTCTL" cat "$DATA/saver/model.ckpt-100" beta1_power)
	absent beta1_power
	absent beta2_power
}

# On a disk with so many bytes free.
with_room() {
	edit
	fill_but "$1"
	edit_all
	echo "# $1 bytes free: $FAILED calls fail"
	"$CKPTCTL" verify "$P"
	if ! echo >"$MNT/.ckptfuse/commit" 2>said; then
		grep -e "No space left" -e "Invalid argument" -e "quota exceeded" said
		intact
		REFUSED=$((REFUSED + 1))
	fi
	rm "$SMALL/filler"
	all_there
	done_editing
	sound
}

@test "ext4: any number of bytes free" {
	local free REFUSED=0
	small_disk ext4 16
	mkdir "$SMALL/begin"
	take_to "$SMALL/begin"
	for free in 0 1024 4096 8192 20000 60000 150000 200000 250000 300000 400000 500000 600000; do
		rm -rf "$SMALL/now"
		cp -r "$SMALL/begin" "$SMALL/now"
		P=$SMALL/now/model.ckpt
		with_room "$free"
	done
	# some were in the middle
	((REFUSED > 3))
}

@test "tmpfs: any number of bytes free" {
	local free REFUSED=0
	small_disk tmpfs 8
	mkdir "$SMALL/begin"
	take_to "$SMALL/begin"
	for free in 0 4096 12288 49152 147456 204800 249856 303104 401408 503808 602112; do
		rm -rf "$SMALL/now"
		cp -r "$SMALL/begin" "$SMALL/now"
		P=$SMALL/now/model.ckpt
		with_room "$free"
	done
	((REFUSED > 3))
}

@test "what was staged before the disk was full waits for room" {
	small_disk ext4 16
	take_to "$SMALL"
	edit
	edit_all
	[ "$FAILED" = 0 ]
	fill_but 0
	fails_with "No space left" "$CKPTCTL" commit "$MNT"
	fails_with "No space left" sync "$MNT"
	fails_with "No space left" tee "$MNT/.ckptfuse/commit" <<<now
	grep -F "$P" "$LOG" | grep "free some space"
	intact
	# it is seen as it was staged, and status knows
	cmp new_big "$MNT/big"
	cmp made "$MNT/made"
	[ "$(jq '.staged | length' "$STATUS")" -ge 5 ]
	jq -e '.last_error | contains("No space left")' "$STATUS"
	rm "$SMALL/filler"
	"$CKPTCTL" commit "$MNT"
	all_published
	done_editing
	sound
}

@test "unmounted on a full disk: exit 7; with room, ckptctl commit finishes it" {
	small_disk ext4 16
	take_to "$SMALL"
	edit_in_foreground rw
	edit_all
	[ "$FAILED" = 0 ]
	fill_but 0
	umount "$MNT"
	ended 7
	grep "No space left" "$BATS_TEST_TMPDIR/messages"
	intact
	[ -s "$P.ckptfuse-journal" ]
	run -7 "$CKPTCTL" commit "$P"
	[[ $output == *"No space left"* ]]
	intact
	rm "$SMALL/filler"
	"$CKPTCTL" commit "$P"
	all_published
	sound
}

@test "killed on a full disk: what had been synced is there again" {
	local pid
	small_disk ext4 16
	take_to "$SMALL"
	edit
	edit_all
	[ "$FAILED" = 0 ]
	fill_but 0
	run ! publish
	pid=$(mount_pid "$MNT")
	kill -KILL "$pid"
	wait_gone "$pid"
	intact
	# a mount needs no room to show what is staged
	edit
	cmp new_big "$MNT/big"
	cmp made "$MNT/made"
	run ! publish
	intact
	rm "$SMALL/filler"
	publish
	all_published
	done_editing
	sound
}

@test "the journal's disk is full, the checkpoint's is not" {
	small_disk ext4 16
	mkdir roomy
	take_to "$PWD/roomy"
	fill_but 0
	edit -o journal="$SMALL"
	fails_with "No space left" cp kernel "$MNT/dense/kernel"
	fails_with "No space left" cp made "$MNT/made"
	fails_with "No space left" mv "$MNT/beta1_power" "$MNT/renamed"
	grep -F "$SMALL" "$LOG" | grep "No space left"
	intact
	rm "$SMALL/filler"
	fill_but 100000
	edit_all
	((FAILED > 0))
	"$CKPTCTL" verify "$P"
	rm "$SMALL/filler"
	all_there
	done_editing
	sound
	[ -z "$(find "$SMALL" -name '*journal*')" ]
}

@test "the checkpoint's disk is full, the journal's is not" {
	local free
	small_disk ext4 16
	mkdir roomy
	take_to "$SMALL"
	edit -o journal="$PWD/roomy"
	echo >"$MNT/.begun" # with the journal there, the pointer to it
	fill_but 0
	# edits inside go to the journal
	dd if=new_big of="$MNT/big" bs=16k conv=notrunc status=none
	dd if=kernel of="$MNT/dense/kernel" conv=notrunc status=none
	mv "$MNT/beta1_power" "$MNT/renamed"
	rm "$MNT/beta2_power"
	sync "$MNT/big"
	fails_with "No space left" cp made "$MNT/made"
	rm -f "$MNT/made"
	fails_with "No space left" "$CKPTCTL" commit "$MNT"
	intact
	cmp new_big "$MNT/big"
	kill -KILL "$(mount_pid "$MNT")"
	wait_gone "$(mount_pid "$MNT")" || :
	intact
	edit -o journal="$PWD/roomy"
	cmp new_big "$MNT/big"
	rm "$SMALL/filler"
	all_there
	done_editing
	sound
	[ -z "$(find roomy -name '*journal*')" ]
}

@test "a disk that was full for a moment: writing goes on where it failed" {
	small_disk ext4 16
	take_to "$SMALL"
	edit
	exec 5<>"$MNT/big"
	head -c 100000 new_big >&5
	fill_but 0
	# it may take what is reserved already, not more
	run ! bash -c 'dd if=new_big bs=10000 skip=10 status=none >&5 && cat made made made >"$1"' \
		sh "$MNT/made"
	rm "$SMALL/filler"
	dd if=new_big of="$MNT/big" bs=10000 skip=10 seek=10 conv=notrunc status=none
	exec 5<&-
	rm -f "$MNT/made"
	cmp new_big "$MNT/big"
	"$CKPTCTL" commit "$MNT"
	has big new_big
	done_editing
	sound
}

@test "a quota" {
	command -v setpriv >/dev/null || skip "no setpriv"
	mount -t tmpfs -o size=64m,usrquota,usrquota_block_hardlimit=2m tmpfs "$SMALL" 2>/dev/null ||
		skip "tmpfs has no quotas here"
	# one who is above quotas would not notice
	cat >"$BATS_TEST_TMPDIR/ckptfuse" <<-EOF
		#!/bin/sh
		exec setpriv --inh-caps=-sys_resource --bounding-set=-sys_resource "$CKPTFUSE" "\$@"
	EOF
	chmod +x "$BATS_TEST_TMPDIR/ckptfuse"
	CKPTFUSE=$BATS_TEST_TMPDIR/ckptfuse
	take_to "$SMALL"
	edit
	setpriv --inh-caps=-sys_resource --bounding-set=-sys_resource \
		dd if=/dev/zero of="$SMALL/filler" bs=4k status=none 2>said || :
	grep -i "quota exceeded" said || skip "tmpfs does not keep to its quotas here"
	fails_with "quota exceeded" cp made "$MNT/made"
	fails_with "quota exceeded" cp new_big "$MNT/big"
	intact
	rm "$SMALL/filler"
	all_there
	done_editing
	sound
}

# A variable of 80 MiB, larger than what is copied for an edit of it.
large_variable() {
	DIR=$SMALL
	P=$DIR/model.ckpt
	take saver
	edit
	echo "{\"dtype\": \"uint8\", \"shape\": [$((80 << 20))]}" >"$MNT/large.json"
	head -c $((80 << 20)) /dev/urandom >large
	cp large "$MNT/large"
	done_editing
	sync -f "$SMALL"
}

used() {
	sync -f "$SMALL"
	df --output=used -k "$SMALL" | tail -n 1
}

change() {
	printf 'edit %s' "$1" | dd of="$MNT/large" bs=1 seek="$2" conv=notrunc status=none
	printf 'edit %s' "$1" | dd of=large bs=1 seek="$2" conv=notrunc status=none
}

# Where blocks can be shared, an edit of a large variable is a whole new one that costs nothing.
shares_blocks() {
	local before
	large_variable
	edit
	before=$(used)
	cp --reflink=always "$P.data-00000-of-00001" "$SMALL/reader"
	change 1 1234567
	[ "$(jq '.publish.copy_bytes' "$STATUS")" = 0 ]
	(($(jq '.publish.shared_bytes' "$STATUS") >= 79 << 20))
	publish
	[ "$(jq -r '.last_publish.how' "$STATUS")" = replace ]
	[ "$(jq '.last_publish.copied_bytes' "$STATUS")" = 0 ]
	[ "$(jq '.last_publish.in_place_bytes' "$STATUS")" = 0 ]
	(($(jq '.last_publish.shared_bytes' "$STATUS") >= 79 << 20))
	has large large
	# nothing that a reader could see was written over
	cmp -n "$(stat -c %s "$SMALL/reader")" "$SMALL/reader" "$P.data-00000-of-00001"
	change 2 "$((70 << 20))"
	publish
	change 3 0
	done_editing
	has large large
	sound
	(($(used) - before < 4096))
}

@test "xfs: an edit of a large variable shares its blocks" {
	small_disk xfs 400
	shares_blocks
}

@test "btrfs: an edit of a large variable shares its blocks" {
	small_disk btrfs 400
	shares_blocks
}

@test "ext4: an edit of a large variable is made in place" {
	local before
	small_disk ext4 120
	large_variable
	edit
	before=$(used)
	change 1 1234567
	[ "$(jq '.publish.copy_bytes' "$STATUS")" = 0 ]
	(($(jq '.publish.in_place_bytes' "$STATUS") <= 4096))
	publish
	[ "$(jq -r '.last_publish.how' "$STATUS")" = "in place" ]
	[ "$(jq '.last_publish.in_place_bytes' "$STATUS")" -le 4096 ]
	has large large
	(($(used) - before < 64))
	# there is no room for a copy, should one be asked for
	change 2 50000000
	done_editing
	edit -o publish=replace
	change 3 60000000
	fails_with "No space left" "$CKPTCTL" commit "$MNT"
	"$CKPTCTL" verify "$P"
	echo >"$MNT/.ckptfuse/discard"
	done_editing
	sound
}
