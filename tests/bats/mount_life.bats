# mount_life.bats - from start to end: mount points, the daemon, signals, sources that change.

load helper

setup() {
	require_fuse
	DATA=$SRCDIR/tests/data
	SRC=$DATA/saver/model.ckpt-100
	MNT=$BATS_TEST_TMPDIR/mnt
	mkdir -p "$MNT" "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work" || return
}

teardown() {
	cd /
	unmount_all
}

not_mounted() {
	! is_mounted "$1"
}

gone() {
	[ ! -e "$1" ]
}

# starts in the foreground, behind us; the exit code goes to the file "code"
start_foreground() {
	{
		local code=0
		start_ckptfuse -f "$@" || code=$?
		echo "$code" >"$BATS_TEST_TMPDIR/code"
	} >"$BATS_TEST_TMPDIR/messages" 2>&1 3>&- &
	FOREGROUND=$!
}

has_status() {
	[ -s "$1/.ckptfuse/status.json" ]
}

# refused CODE WORDS ARGUMENT...: exit code, one line, the words in it.
refused() {
	local code=$1 words=$2
	shift 2
	run "-$code" start_ckptfuse "$@"
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == "ckptfuse: "*"$words"* ]]
}

# copy_as CHECKPOINT PREFIX: a checkpoint of the fixture "saver" under another name, index last.
copy_as() {
	local tail=data-00000-of-00001
	cp "$DATA/saver/model.ckpt-$1.$tail" "$2.new"
	mv "$2.new" "$2.$tail"
	cp "$DATA/saver/model.ckpt-$1.index" "$2.new"
	mv "$2.new" "$2.index"
}

step_of() {
	od -An -td8 "$1" | tr -d ' '
}

step_is() {
	[ "$(step_of "$1")" = "$2" ]
}

@test "MOUNTPOINT left out: NAME.mnt here, removed at unmount" {
	start_ckptfuse "$SRC"
	is_mounted "$PWD/model.ckpt-100.mnt"
	[ -f model.ckpt-100.mnt/global_step ]
	umount model.ckpt-100.mnt
	wait_until 10 gone model.ckpt-100.mnt
	start_ckptfuse "$SRC.index"
	[ -f model.ckpt-100.index.mnt/global_step ]
	kill -TERM "$(mount_pid model.ckpt-100.index.mnt)"
	wait_until 10 gone model.ckpt-100.index.mnt
}

@test "NAME.mnt that is there and empty is used, and stays" {
	mkdir model.ckpt-100.mnt
	start_ckptfuse "$SRC"
	[ -f model.ckpt-100.mnt/global_step ]
	local pid
	pid=$(mount_pid model.ckpt-100.mnt)
	umount model.ckpt-100.mnt
	wait_gone "$pid"
	[ -d model.ckpt-100.mnt ]
	touch model.ckpt-100.mnt/file
	refused 6 "model.ckpt-100.mnt" "$SRC"
	rm -r model.ckpt-100.mnt
	touch model.ckpt-100.mnt
	refused 6 "model.ckpt-100.mnt" "$SRC"
}

@test "NAME.mnt beside a SavedModel folder that one stands in" {
	cp -r "$DATA/savedmodel" sm
	cd sm
	start_ckptfuse .
	[ -d ../sm.mnt/.ckptfuse ]
	[ ! -e sm.mnt ]
	umount ../sm.mnt
	wait_until 10 gone ../sm.mnt
	start_ckptfuse saved_model.pb
	[ -d ../saved_model.pb.mnt/.ckptfuse ]
	cd variables
	start_ckptfuse ..
	[ -d ../../sm.mnt/.ckptfuse ]
	cd ../..
	start_ckptfuse "$DATA/savedmodel///"
	[ -d savedmodel.mnt/.ckptfuse ]
}

@test "a failure leaves no folder behind" {
	cp "$SRC".* .
	truncate -s 3 model.ckpt-100.index
	run ! start_ckptfuse model.ckpt-100
	run ! start_ckptfuse "$SRC" -o subdir=nowhere
	[ -z "$(find . -name '*.mnt')" ]
}

@test "a mount point that holds the source, or lies in it" {
	cp -r "$DATA/saver" bundle
	cp -r "$DATA/savedmodel" sm
	mkdir sm/inside
	refused 6 "holds the source" bundle/model.ckpt-100 bundle
	refused 6 "holds the source" bundle/model.ckpt-100 .
	refused 6 "holds the source" bundle/model.ckpt-100 /
	refused 6 "source's folder" sm sm
	refused 6 "source's folder" sm sm/inside
	refused 6 "source's folder" sm sm/variables
	refused 6 "holds the source" sm .
	# by any other way to the same folder
	ln -s bundle link
	refused 6 "holds the source" bundle/model.ckpt-100 link
	refused 6 "holds the source" bundle/model.ckpt-100 "$PWD/sm/../bundle/"
	mkdir farm
	ln -s "$PWD"/bundle/model.ckpt-100.* farm
	refused 6 "holds the source" farm/model.ckpt-100 bundle
	refused 6 "holds the source" farm/model.ckpt-100 farm
	# beside it is fine
	mkdir bundle/mnt
	start_ckptfuse bundle/model.ckpt-100 bundle/mnt
	[ -f bundle/mnt/global_step ]
}

@test "a mount point that is not there, or no folder" {
	refused 6 "no such folder" "$SRC" nowhere
	touch file
	refused 6 "is a file" "$SRC" file
}

@test "a mount point where a checkpoint is mounted already: exit 8" {
	start_ckptfuse "$SRC" "$MNT"
	refused 8 "$SRC is mounted there" "$DATA/savedmodel" "$MNT"
	[ -f "$MNT/global_step" ]
}

@test "after a daemon was killed its mount point can be mounted again" {
	start_ckptfuse "$SRC" "$MNT"
	local pid
	pid=$(mount_pid "$MNT")
	kill -KILL "$pid"
	wait_gone "$pid"
	run ! ls "$MNT"
	start_ckptfuse "$SRC" "$MNT"
	[ -f "$MNT/global_step" ]
	[ "$(grep -c " $MNT " /proc/self/mounts)" = 1 ]
	# and by its default name; with a slash behind a name as well
	pid=$(mount_pid "$MNT")
	kill -KILL "$pid"
	wait_gone "$pid"
	start_ckptfuse "$SRC" "$MNT/"
	[ -f "$MNT/global_step" ]
	start_ckptfuse "$SRC"
	pid=$(mount_pid model.ckpt-100.mnt)
	kill -KILL "$pid"
	wait_gone "$pid"
	start_ckptfuse "$SRC"
	[ -f model.ckpt-100.mnt/global_step ]
}

@test "the daemon keeps neither terminal nor folder" {
	start_ckptfuse "$SRC" "$MNT"
	local pid fd
	pid=$(mount_pid "$MNT")
	[ "$(readlink "/proc/$pid/cwd")" = / ]
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]
	done
	[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
}

@test "works with descriptors 0 to 2 closed" {
	start_ckptfuse "$SRC" "$MNT" <&- >&- 2>&-
	(cd "$MNT" && sha256sum --quiet -c "$DATA/saver/expected.sha256")
}

@test "in the foreground: messages on stderr, exit 0 after umount" {
	start_foreground "$SRC" "$MNT"
	wait_until 10 has_status "$MNT"
	run ! cat "$MNT/100%"
	grep -F 'ckptfuse: "100%"' "$BATS_TEST_TMPDIR/messages"
	umount "$MNT"
	wait "$FOREGROUND"
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = 0 ]
}

@test "-d prints requests" {
	start_foreground -d "$SRC" "$MNT"
	wait_until 10 has_status "$MNT"
	umount "$MNT"
	wait "$FOREGROUND"
	grep LOOKUP "$BATS_TEST_TMPDIR/messages"
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = 0 ]
}

@test "SIGTERM and SIGINT unmount, exit 0" {
	local signal options
	for signal in TERM INT; do
		for options in -f -s; do
			start_foreground "$options" "$SRC" "$MNT"
			wait_until 10 has_status "$MNT"
			kill "-$signal" "$(mount_pid "$MNT")"
			wait "$FOREGROUND"
			[ "$(cat "$BATS_TEST_TMPDIR/code")" = 0 ]
			not_mounted "$MNT"
		done
	done
}

@test "SIGTERM while files and folders are in use" {
	start_foreground "$SRC" "$MNT"
	wait_until 10 has_status "$MNT"
	exec 5<"$MNT/dense/kernel"
	cd "$MNT/dense"
	kill -TERM "$(mount_pid "$MNT")"
	wait "$FOREGROUND"
	cd "$BATS_TEST_TMPDIR/work"
	exec 5<&-
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = 0 ]
	not_mounted "$MNT"
}

@test "umount -l ends the daemon when the last file is closed" {
	start_ckptfuse "$SRC" "$MNT"
	local pid
	pid=$(mount_pid "$MNT")
	exec 5<"$MNT/dense/kernel"
	umount -l "$MNT"
	[ "$(wc -c <&5)" = 128 ]
	kill -0 "$pid"
	exec 5<&-
	wait_gone "$pid"
}

@test "SIGHUP with an unchanged source changes nothing" {
	start_ckptfuse "$SRC" "$MNT"
	local before
	before=$(find "$MNT" -printf '%i %p\n')
	kill -HUP "$(mount_pid "$MNT")"
	# a second signal is taken after the first is through
	kill -HUP "$(mount_pid "$MNT")"
	[ "$(find "$MNT" -printf '%i %p\n')" = "$before" ]
	[ ! -s "$MNT/.ckptfuse/log" ]
}

@test "SIGHUP shows a replaced checkpoint; what is open keeps the old" {
	copy_as 99 m
	start_ckptfuse m "$MNT"
	local pid old new
	pid=$(mount_pid "$MNT")
	step_is "$MNT/global_step" 99
	find "$MNT" -type f -exec cat {} + >/dev/null
	ls -lR "$MNT" >/dev/null
	old=$(sha256sum <"$MNT/dense/kernel")
	run ! cat "$MNT/nothing"
	exec 5<"$MNT/global_step" 6<"$MNT/dense/kernel" 7<"$MNT/dense/kernel.json"
	cd "$MNT/dense/kernel.d"

	copy_as 100 "$OLDPWD/m"
	kill -HUP "$pid"
	wait_until 10 step_is "$MNT/global_step" 100
	(cd "$MNT" && sha256sum --quiet -c "$DATA/saver/expected.sha256")
	# the folder that we stand in has the new files, by relative path too
	cmp Adam "$MNT/dense/kernel.d/Adam"
	cmp ../kernel "$MNT/dense/kernel"
	[ "$(find . -type f | wc -l)" = 4 ]
	new=$(sha256sum <../kernel)
	[ "$new" != "$old" ]
	[ "$(jq -r .source "$MNT/.ckptfuse/checkpoint.json")" = "$BATS_TEST_TMPDIR/work/m" ]
	grep "was replaced" "$MNT/.ckptfuse/log"
	[ "$(step_of - <&5)" = 99 ]
	[ "$(sha256sum <&6)" = "$old" ]
	jq -e .dtype <&7
	# once more, from there
	copy_as 99 "$BATS_TEST_TMPDIR/work/m"
	kill -HUP "$pid"
	wait_until 10 step_is "$MNT/global_step" 99
	[ "$(sha256sum <../kernel)" = "$old" ]
	cmp Adam "$MNT/dense/kernel.d/Adam"
	cd "$BATS_TEST_TMPDIR/work"
	exec 5<&- 6<&- 7<&-
}

# Whether the daemon has a file open that was replaced.
holds_deleted() {
	local fd
	for fd in "/proc/$1/fd"/*; do
		[[ $(readlink "$fd") == *"(deleted)" ]] && return 0
	done
	return 1
}

holds_none_deleted() {
	! holds_deleted "$1"
}

@test "SIGHUP: the old checkpoint is let go when nobody uses it any more" {
	copy_as 99 m
	start_ckptfuse m "$MNT"
	local pid i=99
	pid=$(mount_pid "$MNT")
	for file in global_step dense/kernel dense/kernel.d/Adam dense.d/bias dense/bias.json \
		.ckptfuse/checkpoint.json; do
		find "$MNT" -type f -exec cat {} + >/dev/null
		exec 5<"$MNT/$file"
		cd "$MNT/dense/kernel.d"
		i=$((199 - i))
		copy_as "$i" "$BATS_TEST_TMPDIR/work/m"
		kill -HUP "$pid"
		wait_until 10 step_is "$MNT/global_step" "$i"
		holds_deleted "$pid"
		exec 5<&-
		cd "$BATS_TEST_TMPDIR/work"
		wait_until 10 holds_none_deleted "$pid" || {
			echo "$file"
			return 1
		}
	done
}

# The tree of a checkpoint that has other folders and files.
@test "SIGHUP: names that come and go" {
	cp "$DATA/names/model.ckpt.index" m.index
	cp "$DATA/names/model.ckpt.data-00000-of-00001" m.data-00000-of-00001
	start_ckptfuse m "$MNT"
	local pid
	pid=$(mount_pid "$MNT")
	find "$MNT" >/dev/null
	run ! stat "$MNT/dense_1"
	run ! stat "$MNT/global_step"
	cd "$MNT/.hidden.d"
	ls >/dev/null
	copy_as 100 "$BATS_TEST_TMPDIR/work/m"
	kill -HUP "$pid"
	wait_until 10 test -e "$MNT/global_step"
	# our folder is no more
	run ! cat x
	run ! ls .
	cd "$BATS_TEST_TMPDIR/work"
	[ -d "$MNT/dense_1" ]
	[ "$(find "$MNT" -type f ! -path '*/.ckptfuse/*' | wc -l)" = 42 ]
	(cd "$MNT" && sha256sum --quiet -c "$DATA/saver/expected.sha256")
}

@test "SIGHUP: a listing that has begun ends as it began" {
	command -v python3 >/dev/null || skip "no python3"
	cp "$DATA/many6000/model.ckpt.index" m.index
	cp "$DATA/many6000/model.ckpt.data-00000-of-00001" m.data-00000-of-00001
	start_ckptfuse m "$MNT" -o 'sep= '
	copy_as 100 n
	python3 - "$MNT" "$(mount_pid "$MNT")" <<-'EOF'
		import os, signal, sys, time
		mnt, pid = sys.argv[1], int(sys.argv[2])
		old = sorted(os.listdir(mnt))
		assert len(old) == 12001
		with os.scandir(mnt) as listing:
		    seen = [next(listing).name]
		    os.replace('n.data-00000-of-00001', 'm.data-00000-of-00001')
		    os.replace('n.index', 'm.index')
		    os.kill(pid, signal.SIGHUP)
		    until = time.monotonic() + 10
		    while not os.path.exists(mnt + '/global_step'):
		        assert time.monotonic() < until
		    seen += [e.name for e in listing]
		assert sorted(seen) == old, len(seen)
		now = os.listdir(mnt)
		assert len(now) == 43, len(now)
		for name in now:
		    os.stat(mnt + '/' + name)
		for name in old[-50:]:
		    assert not os.path.exists(mnt + '/' + name)
	EOF
}

@test "SIGHUP with a source that got worse keeps the old one and says so" {
	copy_as 99 m
	start_ckptfuse m "$MNT"
	local pid
	pid=$(mount_pid "$MNT")
	head -c 50 "$DATA/saver/model.ckpt-100.index" >new
	mv new m.index
	kill -HUP "$pid"
	wait_until 10 grep "still showing" "$MNT/.ckptfuse/log"
	step_is "$MNT/global_step" 99
	rm m.index
	kill -HUP "$pid"
	wait_until 10 grep "still showing.*m.index\|m.index.*still showing\|m: .*still showing" \
		"$MNT/.ckptfuse/log"
	step_is "$MNT/global_step" 99
	copy_as 100 m
	kill -HUP "$pid"
	wait_until 10 step_is "$MNT/global_step" 100
}

@test "SIGHUP under readers" {
	copy_as 99 m
	start_ckptfuse m "$MNT"
	local pid i old new readers=()
	pid=$(mount_pid "$MNT")
	old=$(sha256sum <"$DATA/saver/model.ckpt-99.index")
	# every read is one of the two, and none fails
	old=$(sha256sum <"$MNT/dense/kernel")
	new=$(grep ' dense/kernel$' "$DATA/saver/expected.sha256" | cut -d ' ' -f 1)
	for i in 1 2 3; do
		(
			for _ in {1..60}; do
				sum=$(sha256sum <"$MNT/dense/kernel") || exit 1
				[ "$sum" = "$old" ] || [ "${sum%% *}" = "$new" ] || exit 2
				ls -l "$MNT/dense" "$MNT" >/dev/null || exit 3
			done
		) 3>&- &
		readers+=($!)
	done
	for i in 100 99 100 99 100; do
		copy_as "$i" m
		kill -HUP "$pid"
		wait_until 10 step_is "$MNT/global_step" "$i"
	done
	for i in "${readers[@]}"; do
		wait "$i"
	done
	(cd "$MNT" && sha256sum --quiet -c "$DATA/saver/expected.sha256")
}

@test "notify_pipe= tells s, or f" {
	mkfifo pipe
	local news code=0
	for options in "" -f; do
		if [ -n "$options" ]; then
			start_foreground -o notify_pipe=pipe "$SRC" "$MNT"
		else
			start_ckptfuse -o notify_pipe=pipe "$SRC" "$MNT" &
		fi
		news=$(timeout 10 head -c 1 pipe)
		[ "$news" = s ]
		[ -f "$MNT/global_step" ]
		[ -n "$options" ] || wait $!
		umount "$MNT"
		[ -z "$options" ] || wait "$FOREGROUND"
	done
	start_ckptfuse -o notify_pipe=pipe nowhere "$MNT" 2>/dev/null &
	news=$(timeout 10 head -c 1 pipe)
	[ "$news" = f ]
	wait $! || code=$?
	[ "$code" = 2 ]
	start_ckptfuse -o notify_pipe=pipe,nonsense "$SRC" "$MNT" 2>/dev/null &
	news=$(timeout 10 head -c 1 pipe)
	[ "$news" = f ]
}

# Called by mount(8).

helper() {
	ln -sf "$CKPTFUSE" "$BATS_TEST_TMPDIR/$1"
	local name=$1
	shift
	CKPTFUSE=$BATS_TEST_TMPDIR/$name start_ckptfuse "$@"
}

@test "as mount.ckptfuse it takes what mount(8) passes" {
	helper mount.ckptfuse "$SRC" "$MNT" -n -v -o \
		rw,_netdev,nofail,noauto,user,nosuid,nodev,noexec,x-systemd.automount,X-mount.mkdir,uid=5
	[ "$(stat -c %u "$MNT/global_step")" = 5 ]
	[[ $(findmnt -rno OPTIONS "$MNT") == ro,*noexec* ]]
	[ "$(findmnt -rno FSTYPE "$MNT")" = fuse.ckptfuse ]
	_unmount "$MNT"
	helper mount.fuse.ckptfuse "$SRC" "$MNT" -sn -o rw,nonsense=1 -t fuse.ckptfuse
	[ -f "$MNT/global_step" ]
	_unmount "$MNT"
	run -1 helper mount.ckptfuse "$SRC" "$MNT" -o rw,nonsense=1
	[[ $output == *nonsense=1* ]]
	cp "$SRC".* .
	helper mount.ckptfuse "$PWD/model.ckpt-100" "$MNT" -o rw,writable
	[[ $(findmnt -rno OPTIONS "$MNT") == rw,* ]]
	_unmount "$MNT"
	run -1 helper mount.ckptfuse "$SRC" "$MNT" -o rw,commit=5
	[[ $output == *writable* ]]
	run -1 helper mount.ckptfuse "$SRC"
	run -2 helper mount.ckptfuse nowhere "$MNT"
	# mount -f: all but the mount
	helper mount.ckptfuse "$SRC" "$MNT" -f -o rw
	not_mounted "$MNT"
}

@test "as mount.ckptfuse it needs neither PATH nor HOME" {
	ln -sf "$CKPTFUSE" "$BATS_TEST_TMPDIR/mount.ckptfuse"
	env -i ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} \
		"$BATS_TEST_TMPDIR/mount.ckptfuse" "$SRC" "$MNT" -o rw </dev/null 3>&-
	[ -f "$MNT/global_step" ]
}

@test "mount -t ckptfuse, and a line of fstab" {
	[ "$(id -u)" = 0 ] || skip "not root"
	unshare -m true 2>/dev/null || skip "no namespaces"
	local o=$BATS_TEST_TMPDIR/overlay
	mkdir "$o"
	# the helper has to lie in /sbin; a folder over it does, in a mount namespace of our own
	cat >script <<-EOF
		set -e
		mount -t tmpfs none "$o"
		mkdir "$o/up" "$o/work"
		mount -t overlay -o "lowerdir=/usr/sbin,upperdir=$o/up,workdir=$o/work" none /usr/sbin ||
			exit 77
		ln -s "$CKPTFUSE" /usr/sbin/mount.ckptfuse
		ln -s "$CKPTFUSE" /usr/sbin/mount.fuse.ckptfuse
		for type in ckptfuse fuse.ckptfuse; do
			mount -t "\$type" "$SRC" "$MNT" -o ro,_netdev,x-test
			cmp "$MNT/global_step" "$MNT/global_step"
			umount "$MNT"
		done
		echo "$SRC $MNT ckptfuse noauto,user,nofail,uid=9 0 0" >fstab
		mount -T fstab "$MNT"
		[ "\$(stat -c %u "$MNT/global_step")" = 9 ]
		umount "$MNT"
	EOF
	local status=0
	unshare -m sh script 3>&- || status=$?
	[ "$status" != 77 ] || skip "no overlay"
	[ "$status" = 0 ]
}
