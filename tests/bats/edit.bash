# edit.bash - what the tests of the writable mount share, loaded after helper.bash.
#
# Every test edits a copy of a fixture: P is its prefix, MNT where it is mounted. What a test has
# made is looked at where it counts, in the published checkpoint, by the commands that read one.

# The test runs in a folder of its own, where it can keep its notes.
edit_setup() {
	require_fuse
	DATA=$SRCDIR/tests/data
	FSOP=$BUILDDIR/tests/unit/fsop
	MNT=$BATS_TEST_TMPDIR/mnt
	DIR=$BATS_TEST_TMPDIR/source
	P=$DIR/model.ckpt
	mkdir -p "$MNT" "$DIR" "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work" || return
}

# For teardown. What still has a file of the mount open or mapped waits for one of these.
edit_teardown() {
	exec 4>&- 5>&- 6>&- 7>&-
	unmount_all
}

# take FIXTURE: a copy of it, as P.
take() {
	local file tail
	for file in "$DATA/$1"/model.ckpt*.index; do
		[[ $file == *model.ckpt-99* ]] || break
	done
	file=${file%.index}
	for tail in "$file".index "$file".data-*; do
		cp "$tail" "$P${tail#"$file"}"
	done
	chmod u+w "$P".*
}

# edit [OPTION...]: mounts P to be edited.
edit() {
	mount_ckpt "$P" -o rw "$@"
	STATUS=$MNT/.ckptfuse/status.json
	LOG=$MNT/.ckptfuse/log
}

# edit_in_foreground OPTIONS: the same, messages in the file "messages", exit code in "code".
edit_in_foreground() {
	{
		local code=0
		start_ckptfuse -f -o "$1" "$P" "$MNT" || code=$?
		echo "$code" >"$BATS_TEST_TMPDIR/code"
	} >"$BATS_TEST_TMPDIR/messages" 2>&1 3>&- &
	FOREGROUND=$!
	wait_until 10 test -s "$MNT/.ckptfuse/status.json"
	STATUS=$MNT/.ckptfuse/status.json
	LOG=$MNT/.ckptfuse/log
}

# ended CODE: the daemon in the foreground has ended with it.
ended() {
	wait "$FOREGROUND"
	cat "$BATS_TEST_TMPDIR/messages"
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = "$1" ]
}

publish() {
	echo >"$MNT/.ckptfuse/commit" || {
		cat "$LOG"
		return 1
	}
}

# Unmounts, which publishes, and waits for the end.
done_editing() {
	"$CKPTCTL" umount "$MNT"
}

# Unmounts as umount(8) does, and waits for the end.
leave() {
	local pid
	pid=$(mount_pid "$MNT")
	umount "$MNT"
	wait_gone "$pid"
}

# The power goes: the daemon dies as it is, its mount is cleared away.
crash() {
	local pid
	pid=$(mount_pid "$MNT")
	kill -KILL "$pid"
	wait_gone "$pid"
	umount -l "$MNT"
}

# sound: the published checkpoint has no fault, and there is no journal left beside it.
sound() {
	"$CKPTCTL" verify "${1:-$P}"
	[ ! -e "${1:-$P}.ckptfuse-journal" ]
}

# names: those of the published checkpoint, on one line.
names() {
	"$CKPTCTL" ls --json "${1:-$P}" | jq -r '[.[].name] | sort | join(" ")'
}

# is NAME DTYPE SHAPE: what the published checkpoint says of a variable.
is() {
	local said
	said=$("$CKPTCTL" ls --json "$P" "$1" | jq -c '.[] | [.dtype, .shape]')
	[ "$said" = "[\"$2\",$3]" ] || {
		echo "$1 is $said"
		return 1
	}
}

# has NAME FILE: whether the published variable has the file's bytes.
has() {
	"$CKPTCTL" cat "$P" "$1" | cmp - "$2"
}

# has_text NAME TEXT
has_text() {
	"$CKPTCTL" cat "$P" "$1" | cmp - <(printf '%s' "$2")
}

# absent NAME: the published checkpoint does not have it.
absent() {
	[ "$("$CKPTCTL" ls --json "$P" | jq --arg n "$1" '[.[] | select(.name == $n)] | length')" = 0 ]
}

# bytes N [SEED]: N bytes that are not all alike.
bytes() {
	awk -v n="$1" -v s="${2:-1}" 'BEGIN {
		for (i = 0; i < n; i++) {
			s = (s * 16807) % 2147483647
			printf "%c", 33 + s % 90
		}
	}'
}

# unfinished: the names of those, on one line.
unfinished() {
	jq -r '[.unfinished[].name] | sort | join(" ")' "$STATUS"
}

# The errno that a command printed by name (fsop), or the words that it has.
fails_with() {
	local words=$1
	shift
	local output
	run ! "$@"
	[[ $output == *"$words"* ]] || {
		echo "$output"
		return 1
	}
}
