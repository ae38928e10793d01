# kill.bats - the daemon of a writable mount is killed at any moment, while several processes edit.
#
# tests/unit/killer.c makes the edits, notes each call, and judges from the notes what may be there
# afterwards: all that was made durable, and in the checkpoint what one commit left, no earlier one
# than the last that had returned 0. CKPT_KILL_ROUNDS sets how often (50), CKPT_KILL_SEED where the
# dice begin.

load helper
load edit

ROUNDS=${CKPT_KILL_ROUNDS:-50}

setup() {
	edit_setup
	KILLER=$BUILDDIR/tests/unit/killer
	READ=$BATS_TEST_TMPDIR/read
	mkdir "$READ"
	RANDOM=${CKPT_KILL_SEED:-$$}
	echo "# dice from ${CKPT_KILL_SEED:-$$}"
}

teardown() {
	edit_teardown
}

# dice N: a number below it, as DICE.
dice() {
	DICE=$(((RANDOM * 32768 + RANDOM) % $1))
}

# The published checkpoint by a mount that only reads, at $READ.
look() {
	start_ckptfuse "$P" "$READ"
}

look_no_more() {
	_unmount "$READ"
}

# kill_after MICROSECONDS PID
kill_after() {
	"$KILLER" after "$1" "$2"
	wait_gone "$2"
}

# start_writers MILLISECONDS COMMITS: three, for that long at most, one call in COMMITS being a
# commit.
start_writers() {
	local i
	WRITERS=()
	rm -f log?
	for i in 0 1 2; do
		dice 1000000000
		"$KILLER" work "$MNT" "w$i" "log$i" "$DICE" "$2" "$1" 2>"said$i" 3>&- 4>&- &
		WRITERS+=($!)
	done
	wait_until 10 test -s log0 -a -s log1 -a -s log2
}

end_writers() {
	local pid
	for pid in "${WRITERS[@]}"; do
		wait "$pid" || {
			cat said*
			cat "$LOG" 2>/dev/null
			return 1
		}
	done
}

check() {
	"$KILLER" check "$@" log0 log1 log2
}

# What is unfinished was so when the daemon died: its writer is gone.
drop_unfinished() {
	local name
	jq -r '.unfinished[].name' "$STATUS" | while read -r name; do
		rm -f "$MNT/$name" "$MNT/$name.json"
	done
}

# Whether the published checkpoint is what the mount shows.
published_is_shown() {
	look
	diff -r -x '*.json' -x .ckptfuse -x '.t' "$READ" "$MNT" >differences || {
		# folders in which nothing is are not published
		grep -v '^Only in '"$MNT"'.*: [st]$\|^Only in '"$MNT"': w[0-9]$' differences >others || :
		cat others
		[ ! -s others ]
	}
	look_no_more
}

# after_the_kill COMMITTED OPTION...: what there is is judged before, and after recovery. Leaves it
# mounted, with nothing staged.
after_the_kill() {
	local committed=$1 pid
	shift
	if is_mounted "$MNT"; then
		_unmount "$MNT"
	fi
	# at once: a reader goes through the journal, if need be
	"$CKPTCTL" verify "$P" >verified
	look
	check "$committed" "$READ"
	# a recovery that is killed as well
	if [ "$DEATHS" -gt 0 ]; then
		dice 30000
		start_ckptfuse -f -o "rw$*" "$P" "$MNT" 3>&- 4>&- >recovering 2>&1 &
		pid=$!
		"$KILLER" after "$DICE" "$(daemon_of "$pid")" || :
		wait "$pid" || :
		_unmount "$MNT" || :
		"$CKPTCTL" verify "$P" >verified
	fi
	mount_ckpt "$P" -o "rw$*"
	STATUS=$MNT/.ckptfuse/status.json
	LOG=$MNT/.ckptfuse/log
	check staged "$MNT"
	"$CKPTCTL" verify "$P" >verified
	# recovery publishes nothing
	_unmount "$READ"
	look
	check "$committed" "$READ"
	look_no_more
	drop_unfinished
	publish
	"$CKPTCTL" verify "$P" >verified
	published_is_shown
}

# The program itself: the shell has begun a timeout, and that has begun it.
daemon_of() {
	local child
	wait_until 5 find_daemon "$1" && echo "$child"
}

find_daemon() {
	child=$1
	while [ "$(readlink "/proc/$child/exe")" != "$(readlink -f "$CKPTFUSE")" ]; do
		read -r child _ <"/proc/$child/task/$child/children" || [ -n "$child" ] || return 1
	done
} 2>/dev/null

@test "killed while three processes edit and commit, $ROUNDS times" {
	local round pid options
	take saver
	edit
	for ((round = 1; round <= ROUNDS; round++)); do
		echo "# round $round"
		DEATHS=$((round % 3 == 0))
		pid=$(mount_pid "$MNT")
		start_writers 10000 $((round % 4 == 0 ? 200 : 20))
		dice 150000
		kill_after $((20000 + DICE)) "$pid"
		end_writers
		case $((round % 6)) in
		0) options= ;;
		1) options=,publish=inplace ;;
		2) options=,publish=replace ;;
		3) options=,publish=inplace,commit=manual ;;
		4) options=,max_threads=1 ;;
		5) options=,journal=$BATS_TEST_TMPDIR/journal ;;
		esac
		after_the_kill published "$options"
	done
	done_editing
	sound
}

@test "killed while it is unmounted and publishes" {
	local round pid options
	take saver
	edit
	DEATHS=0
	for ((round = 1; round <= ROUNDS / 5 + 1; round++)); do
		echo "# round $round"
		pid=$(mount_pid "$MNT")
		start_writers 30 50
		end_writers
		"$CKPTCTL" umount "$MNT" >unmounting 2>&1 3>&- &
		dice 15000
		kill_after "$DICE" "$pid"
		wait $! || :
		options=
		[ $((round % 2)) = 0 ] || options=,publish=inplace
		after_the_kill published-at-any-time "$options"
	done
	done_editing
	sound
}

# What all variables are, by a mount that only reads.
sums() {
	look
	(cd "$READ" && find . -path ./.ckptfuse -prune -o -type f ! -name '*.json' -print0 |
		sort -z | xargs -0 sha256sum)
	look_no_more
}

@test "ckptctl compact is killed, and done again" {
	local round pid i size took=30000 begin
	take saver
	edit
	for i in {1..8}; do
		echo "{\"dtype\": \"uint8\", \"shape\": [1000000]}" >"$MNT/v$i.json"
		head -c 1000000 /dev/urandom >"$MNT/v$i"
	done
	done_editing
	for ((round = 1; round <= ROUNDS / 5 + 1; round++)); do
		echo "# round $round"
		# something to give back
		edit
		for i in 1 3 5; do
			head -c 1000000 /dev/urandom >"$MNT/.new"
			mv "$MNT/.new" "$MNT/v$i"
		done
		rm -f "$MNT/gone"
		echo '{"dtype": "uint8", "shape": [100000]}' >"$MNT/gone.json"
		head -c 100000 /dev/urandom >"$MNT/gone"
		done_editing
		sums >before
		"$CKPTCTL" compact "$P" >compacting 2>&1 3>&- &
		pid=$!
		dice $((took + 1))
		kill_after "$DICE" "$pid" || :
		wait "$pid" || :
		"$CKPTCTL" verify "$P" >verified
		sums | cmp before -
		if ((round % 2)); then
			edit
			done_editing
		fi
		begin=${EPOCHREALTIME/[.,]/}
		"$CKPTCTL" compact "$P" >compacting
		grep 'nothing to give' compacting || took=$((${EPOCHREALTIME/[.,]/} - begin))
		sums | cmp before -
		size=$(cat "$P".data-* | wc -c)
		((size < 8000000 + 100000 + 200000))
		sound
	done
}

source_files() {
	stat -c '%n %s %y %i' "$P".index "$P".data-*
	sha256sum "$P".index "$P".data-*
}

@test "killed while it publishes into a new checkpoint: the source is as it was" {
	local round pid before source=$P
	take saver
	edit
	for i in a b c d; do
		head -c 3000000 /dev/urandom >"$MNT/.new"
		echo '{"dtype": "uint8", "shape": [3000000]}' >"$MNT/$i.json"
		mv "$MNT/.new" "$MNT/$i"
	done
	done_editing
	before=$(source_files)
	DEATHS=0
	for ((round = 1; round <= ROUNDS / 5 + 1; round++)); do
		echo "# round $round"
		P=$source
		rm -f "$source".new*
		edit -o "save=$source.new"
		pid=$(mount_pid "$MNT")
		start_writers 10000 20
		dice 60000
		kill_after $((5000 + DICE)) "$pid"
		end_writers
		_unmount "$MNT"
		[ "$(source_files)" = "$before" ]
		after_the_save
	done
}

# Either there is no new checkpoint yet, and the edits are staged for it; or it is what a commit
# made, and they go on there.
after_the_save() {
	local new=$P.new
	if [ -e "$new.index" ]; then
		"$CKPTCTL" verify "$new" >verified
		P=$new look
		check published "$READ"
		look_no_more
	fi
	# recovery may make it
	mount_ckpt "$P" -o "rw,save=$new" 2>messages || P=$new mount_ckpt "$new" -o rw
	STATUS=$MNT/.ckptfuse/status.json
	LOG=$MNT/.ckptfuse/log
	check staged "$MNT"
	drop_unfinished
	publish
	"$CKPTCTL" verify "$new" >verified
	P=$new published_is_shown
	"$CKPTCTL" umount "$MNT"
}
