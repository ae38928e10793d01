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

# Three writers for at most MILLISECONDS, one call in COMMITS being a commit.
start_writers() {
	local i
	WRITERS=()
	rm -f log?
	for i in 0 1 2; do
		dice 1000000000
		"$KILLER" work "$MNT" "w$i" "log$i" "$DICE" "$1" "$2" 2>"said$i" 3>&- 4>&- &
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
	_unmount "$MNT"
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

# The program that timeout runs, for start_ckptfuse does not say.
daemon_of() {
	local child
	wait_until 5 read_child "$1" && echo "$child"
}

read_child() {
	read -r child _ <"/proc/$1/task/$1/children" || :
	[ "$(readlink "/proc/$child/exe")" = "$(readlink -f "$CKPTFUSE")" ]
} 2>/dev/null

@test "killed while three processes edit and commit, $ROUNDS times" {
	local round pid options committed
	take saver
	edit
	for ((round = 1; round <= ROUNDS; round++)); do
		echo "# round $round"
		committed=published
		DEATHS=$((round % 3 == 0))
		pid=$(mount_pid "$MNT")
		start_writers $((round % 4 == 0 ? 200 : 20)) 10000
		dice 150000
		kill_after $((20000 + DICE)) "$pid"
		end_writers
		case $((round % 5)) in
		0) options= ;;
		1) options=,publish=inplace ;;
		2) options=,publish=replace ;;
		3) options=,publish=inplace,commit=manual ;;
		4) options=,max_threads=1 ;;
		esac
		after_the_kill "$committed" "$options"
	done
	done_editing
	sound
}
