# mount_options.bats - each option of ckptfuse, and what it says to those it does not have.

load helper

setup() {
	require_fuse
	DATA=$SRCDIR/tests/data
	SRC=$DATA/saver/model.ckpt-100
	MNT=$BATS_TEST_TMPDIR/mnt
	mkdir -p "$MNT"
}

teardown() {
	unmount_all
}

# refused CODE WORDS ARGUMENT...: exit code, one line, the words in it.
refused() {
	local code=$1 words=$2
	shift 2
	run "-$code" start_ckptfuse "$@"
	[ "${#lines[@]}" = 1 ]
	[[ $output == "ckptfuse: "*"$words"* ]]
	! is_mounted "$MNT"
}

@test "-V says the versions and formats, -h how to use it" {
	run -0 start_ckptfuse -V
	[[ $output == *"ckptfuse "[0-9]* && $output == *"libfuse 3."* && $output == *tensorflow* ]]
	run -0 start_ckptfuse --version
	run -0 start_ckptfuse -h
	[[ $output == *"usage: ckptfuse"* ]]
	run -0 start_ckptfuse --help
	# every option that is taken is in the text
	for option in sep raw_names subdir verify force uid gid umask allow_other \
		default_permissions auto_unmount fsname entry_timeout attr_timeout max_threads \
		clone_fd notify_pipe rw writable commit save create journal publish; do
		[[ $output == *"$option"* ]]
	done
}

@test "what is not understood is refused with one line" {
	refused 1 "SOURCE"
	refused 1 "-o nonsense" -o nonsense "$SRC" "$MNT"
	refused 1 "-o nonsense=1" -o ro,nonsense=1 "$SRC" "$MNT"
	refused 1 "-x" -x "$SRC" "$MNT"
	refused 1 "--nonsense" --nonsense "$SRC" "$MNT"
	refused 1 "third" "$SRC" "$MNT" third
	refused 1 "-o uid=x" -o uid=x "$SRC" "$MNT"
	refused 1 "-o umask=9" -o umask=9 "$SRC" "$MNT"
	refused 1 "umask" -o umask=1000 "$SRC" "$MNT"
	refused 1 "value" -o subdir "$SRC" "$MNT"
	refused 1 "value" -o allow_other=1 "$SRC" "$MNT"
	refused 1 "sep" -o sep=ab "$SRC" "$MNT"
	refused 1 "verify" -o verify=always "$SRC" "$MNT"
	refused 1 "attr_timeout" -o attr_timeout=soon "$SRC" "$MNT"
	refused 1 "max_threads" -o max_threads=0 "$SRC" "$MNT"
	refused 1 "_netdev" -o _netdev "$SRC" "$MNT"
	refused 1 "-o" -o
}

@test "what is about writing is refused where it makes no sense" {
	refused 1 "commit=" -o commit=5 "$SRC" "$MNT"
	refused 1 "commit=" -o ro,commit=manual "$SRC" "$MNT"
	refused 1 "save=" -o save=x "$SRC" "$MNT"
	refused 1 "journal=" -o journal=x "$SRC" "$MNT"
	refused 1 "publish=" -o publish=auto "$SRC" "$MNT"
	refused 1 "create=" -o create=tensorflow "$SRC" "$MNT"
	refused 1 "commit=" -o rw,ro,commit=5 "$SRC" "$MNT"
	refused 1 "commit=soon" -o rw,commit=soon "$SRC" "$MNT"
	refused 1 "commit=0" -o rw,commit=0 "$SRC" "$MNT"
	refused 1 "commit=-1" -o rw,commit=-1 "$SRC" "$MNT"
	refused 1 "publish=fast" -o rw,publish=fast "$SRC" "$MNT"
	refused 1 "save=" -o rw,save= "$SRC" "$MNT"
	refused 1 "create=" -o rw,create=tensorflow,save=x "$BATS_TEST_TMPDIR/new" "$MNT"
	refused 1 "attr_timeout" -o rw,attr_timeout=1 "$SRC" "$MNT"
	refused 1 "entry_timeout" -o rw,entry_timeout=0 "$SRC" "$MNT"
	refused 5 "create=safetensors" -o rw,create=safetensors "$BATS_TEST_TMPDIR/new" "$MNT"
	refused 5 "verify=open" -o rw,verify=open "$SRC" "$MNT"
	# the last one counts
	mount_ckpt "$SRC" -o rw,ro
	[[ $(findmnt -rno OPTIONS "$MNT") == ro,* ]]
}

@test "sources that are none" {
	refused 2 "nothing-there" "$BATS_TEST_TMPDIR/nothing-there" "$MNT"
	echo hello >"$BATS_TEST_TMPDIR/text"
	refused 3 "text" "$BATS_TEST_TMPDIR/text" "$MNT"
}

@test "options may follow the arguments, be joined, be bundled" {
	start_ckptfuse "$SRC" "$MNT" -oro,uid=7 -o gid=8
	[ "$(stat -c '%u %g' "$MNT/global_step")" = "7 8" ]
}

@test "uid=, gid=, umask=" {
	mount_ckpt "$SRC" -o uid=1234,gid=5678,umask=027
	[ "$(stat -c '%u %g %a' "$MNT/dense/kernel")" = "1234 5678 440" ]
	[ "$(stat -c '%u %g %a' "$MNT/dense")" = "1234 5678 550" ]
	[ "$(stat -c '%u %g %a' "$MNT/.ckptfuse/log")" = "1234 5678 440" ]
	[ "$(stat -c '%u %g %a' "$MNT")" = "1234 5678 550" ]
}

@test "the mount table names the source and the type" {
	mount_ckpt "$SRC"
	[ "$(findmnt -rno SOURCE,FSTYPE "$MNT")" = "$SRC fuse.ckptfuse" ]
	[[ $(findmnt -rno OPTIONS "$MNT") == ro,* ]]
	[[ $(findmnt -rno OPTIONS "$MNT") == *max_read=1048576* ]]
}

@test "fsname= with commas and blanks" {
	mount_ckpt "$SRC" -o 'fsname=a\,b c'
	[ "$(findmnt -no SOURCE "$MNT")" = "a,b c" ]
}

@test "a source whose path holds commas, blanks and a backslash" {
	local dir="$BATS_TEST_TMPDIR/a,b c\\d"
	mkdir "$dir"
	cp "$SRC".* "$dir"
	mount_ckpt "$dir/model.ckpt-100"
	[ "$(jq -r .source "$MNT/.ckptfuse/status.json")" = "$dir/model.ckpt-100" ]
	[ "$(jq -r .source "$MNT/.ckptfuse/checkpoint.json")" = "$dir/model.ckpt-100" ]
	[ "$(findmnt -no FSTYPE "$MNT")" = fuse.ckptfuse ]
}

@test "subdir= shows one folder of the tree" {
	mount_ckpt "$SRC" -o subdir=dense/kernel.d
	[ "$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' -printf '%f\n' |
		sort | tr '\n' ' ')" = "Adam Adam_1 " ]
	[ "$(jq -r .name "$MNT/Adam.json")" = dense/kernel/Adam ]
	[ "$(stat -c '%i %h' "$MNT")" = "1 3" ]
	[ -s "$MNT/.ckptfuse/status.json" ]
	_unmount "$MNT"
	refused 2 '"no/where"' -o subdir=no/where "$SRC" "$MNT"
	refused 2 '"global_step"' -o subdir=global_step "$SRC" "$MNT"
}

@test "sep= splits names elsewhere" {
	mount_ckpt "$SRC" -o sep=_
	[ -f "$MNT/beta1/power" ]
	[ "$(jq -r .name "$MNT/beta1/power.json")" = beta1_power ]
	[ -f "$MNT/global/step" ]
	[ "$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' | wc -l)" = 21 ]
}

@test "raw_names keeps TensorFlow 2's suffix" {
	mount_ckpt "$DATA/tf2/ckpt-2"
	[ -f "$MNT/save_counter" ]
	_unmount "$MNT"
	mount_ckpt "$DATA/tf2/ckpt-2" -o raw_names
	[ -f "$MNT/save_counter/.ATTRIBUTES/VARIABLE_VALUE" ]
	[ ! -e "$MNT/save_counter/.ATTRIBUTES/VARIABLE_VALUE.d" ]
}

# A copy of the checkpoint with a byte of dense/kernel changed.
damage() {
	local offset
	cp "$SRC".* "$BATS_TEST_TMPDIR"
	start_ckptfuse "$SRC" "$MNT"
	offset=$(jq .offset "$MNT/dense/kernel.json")
	_unmount "$MNT"
	printf '\377' | dd of="$BATS_TEST_TMPDIR/model.ckpt-100.data-00000-of-00001" bs=1 \
		seek=$((offset + 2)) conv=notrunc status=none
}

@test "verify=open finds a damaged variable when it is opened" {
	damage
	mount_ckpt "$BATS_TEST_TMPDIR/model.ckpt-100" -o verify=open
	run ! cat "$MNT/dense/kernel"
	[[ $output == *"Input/output error"* ]]
	grep -F '"dense/kernel"' "$MNT/.ckptfuse/log"
	run ! cat "$MNT/dense/kernel"
	[[ $output == *"Input/output error"* ]]
	cmp "$MNT/dense/bias" <(start_ckptctl_cat dense/bias)
	ls -l "$MNT/dense/kernel"
	jq -e . "$MNT/dense/kernel.json"
}

# The same bytes from a sound copy.
start_ckptctl_cat() {
	mkdir -p "$BATS_TEST_TMPDIR/sound"
	start_ckptfuse "$SRC" "$BATS_TEST_TMPDIR/sound"
	cat "$BATS_TEST_TMPDIR/sound/$1"
}

@test "verify=none, the default, reads what is there" {
	damage
	mount_ckpt "$BATS_TEST_TMPDIR/model.ckpt-100"
	[ "$(wc -c <"$MNT/dense/kernel")" = 128 ]
	_unmount "$MNT"
	mount_ckpt "$BATS_TEST_TMPDIR/model.ckpt-100" -o verify=none
	[ "$(wc -c <"$MNT/dense/kernel")" = 128 ]
}

@test "force mounts what a truncated shard has left" {
	cp "$SRC".* "$BATS_TEST_TMPDIR"
	truncate -s 1000 "$BATS_TEST_TMPDIR/model.ckpt-100.data-00000-of-00001"
	refused 4 "model.ckpt-100.data-00000-of-00001" "$BATS_TEST_TMPDIR/model.ckpt-100" "$MNT"
	mount_ckpt "$BATS_TEST_TMPDIR/model.ckpt-100" -o force
	[ "$(jq .problems "$MNT/.ckptfuse/status.json")" -gt 0 ]
	jq -e '.problems[0].problem' "$MNT/.ckptfuse/checkpoint.json"
	# all are listed, some readable
	[ "$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' | wc -l)" = 21 ]
	cat "$MNT/beta1_power" >/dev/null
	run ! cat "$MNT/global_step"
	[[ $output == *"Input/output error"* ]]
	grep -F '"global_step"' "$MNT/.ckptfuse/log"
}

@test "a shard that is cut short while it is mounted: EIO, and the mount lives" {
	cp "$SRC".* "$BATS_TEST_TMPDIR"
	mount_ckpt "$BATS_TEST_TMPDIR/model.ckpt-100"
	truncate -s 0 "$BATS_TEST_TMPDIR/model.ckpt-100.data-00000-of-00001"
	local _
	for _ in {1..20}; do
		run ! cat "$MNT/global_step"
		[[ $output == *"Input/output error"* ]]
	done
	# the kernel has the answer a moment before the log has
	wait_until 5 grep -F '"global_step"' "$MNT/.ckptfuse/log"
	ls "$MNT" >/dev/null
}

@test "-s, max_threads=, clone_fd, attr_timeout=, entry_timeout=, default_permissions" {
	local options
	for options in -s "-o max_threads=1" "-o max_threads=3,clone_fd" \
		"-o attr_timeout=0,entry_timeout=0" "-o attr_timeout=0.5" \
		"-o default_permissions" "-o nosuid,nodev,noexec,noatime"; do
		echo "# $options"
		# shellcheck disable=SC2086
		mount_ckpt "$SRC" $options
		(cd "$MNT" && sha256sum --quiet -c "$DATA/saver/expected.sha256")
		[ "$(find "$MNT" | wc -l)" = 56 ]
		_unmount "$MNT"
	done
}

@test "allow_other lets others in, who are kept out otherwise" {
	[ "$(id -u)" = 0 ] || skip "not root"
	command -v setpriv >/dev/null || skip "no setpriv"
	local dir
	dir=$(mktemp -d /tmp/ckptfuse-test.XXXXXX)
	chmod 755 "$dir"
	MNT=$dir start_ckptfuse "$SRC" "$dir" -o allow_other
	run setpriv --reuid 65534 --regid 65534 --clear-groups cat "$dir/global_step"
	_unmount "$dir"
	[ "$status" = 0 ]
	start_ckptfuse "$SRC" "$dir"
	run setpriv --reuid 65534 --regid 65534 --clear-groups cat "$dir/global_step"
	_unmount "$dir"
	rmdir "$dir"
	[ "$status" != 0 ]
}

@test "auto_unmount cleans up after a killed program" {
	command -v fusermount3 >/dev/null || skip "no fusermount3"
	mount_ckpt "$SRC" -o auto_unmount
	local pid
	pid=$(mount_pid "$MNT")
	[ -f "$MNT/global_step" ]
	kill -KILL "$pid"
	wait_until 10 not_mounted
}

not_mounted() {
	! is_mounted "$MNT"
}

@test "the read-ahead window is 1 MiB where root mounts" {
	[ "$(id -u)" = 0 ] || skip "not root"
	mount_ckpt "$SRC"
	local bdi
	bdi=/sys/class/bdi/$(mountpoint -d "$MNT")/read_ahead_kb
	[ -w "$bdi" ] || skip "no $bdi"
	[ "$(cat "$bdi")" = 1024 ]
}
