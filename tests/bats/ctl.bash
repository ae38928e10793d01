# ctl.bash - what the tests of the editing commands share, loaded after helper.bash.

ctl_setup() {
	cd "$BATS_TEST_TMPDIR" || return
	stderr_lines=()
	data=$SRCDIR/tests/data
	MNT=$PWD/mnt
	p=$PWD/model.ckpt-100
	cp "$data"/saver/model.ckpt-100.* .
}

# fails STATUS LINE ARGUMENT...: that one line and nothing else.
fails() {
	run "-$1" --separate-stderr "$CKPTCTL" "${@:3}"
	echo "$output$stderr"
	[ -z "$output" ]
	[ "$stderr" = "ckptctl: $2" ]
}

# prints TEXT ARGUMENT...: that, and nothing on standard error.
prints() {
	run -0 --separate-stderr "$CKPTCTL" "${@:2}"
	echo "$output$stderr"
	[ -z "$stderr" ]
	[ "$output" = "$1" ]
}

# says LINE ARGUMENT...: success, and that line on standard error.
says() {
	run -0 --separate-stderr "$CKPTCTL" "${@:2}"
	echo "$output$stderr"
	[ "$stderr" = "ckptctl: $1" ]
}

# A mount of the checkpoint for writing.
# shellcheck disable=SC2120 # in another file it has one
mount_rw() {
	require_fuse
	mount_ckpt "${1:-$p}" -o rw
}

# Edits of a mount that died: fsynced, so they are in the journal.
crash_with_edits() {
	mount_rw
	printf 'abcdefgh' | dd of="$MNT/global_step" conv=notrunc,fsync status=none
	kill_mount
	[ -e "$p.ckptfuse-journal" ]
}

# Its daemon dies; the mount goes.
kill_mount() {
	local pid
	pid=$(mount_pid "$MNT")
	kill -KILL "$pid"
	wait_gone "$pid"
	"$CKPTCTL" umount "$MNT"
}

# sound [PREFIX]: every checksum holds, and nothing was left lying.
sound() {
	local prefix=${1:-$p}
	run -0 "$CKPTCTL" verify "$prefix"
	echo "$output"
	[ ! -e "$prefix.ckptfuse-journal" ]
	[ ! -e "$prefix.ckptfuse-data" ]
	[ ! -e "$prefix.ckptfuse-lock" ]
}

# unchanged: the checkpoint is as it was copied, to the byte.
unchanged() {
	cmp "$p.index" "$data/saver/model.ckpt-100.index"
	cmp "$p.data-00000-of-00001" "$data/saver/model.ckpt-100.data-00000-of-00001"
	[ ! -e "$p.ckptfuse-journal" ]
	[ ! -e "$p.ckptfuse-lock" ]
}

# holds NAME FILE [PREFIX]: the variable's bytes are the file's.
holds() {
	"$CKPTCTL" cat -- "${3:-$p}" "$1" | cmp - "$2"
}

# row NAME [PREFIX]: its line of ls.
row() {
	"$CKPTCTL" ls "${2:-$p}" "$1"
}

bytes() {
	head -c "$1" /dev/urandom
}
