# mount_places.bats - mounting where it is not root's own machine: users, namespaces, containers,
# and a device that somebody else has opened.

load helper

setup() {
	require_fuse
	DATA=$SRCDIR/tests/data
	SRC=$DATA/saver/model.ckpt-100
	MNT=$BATS_TEST_TMPDIR/mnt
	mkdir -p "$MNT"
}

teardown() {
	if [ -n "${PLACE-}" ]; then
		unmount_below "$PLACE"
		rm -rf "$PLACE"
	fi
	unmount_all
}

unmount_below() {
	local mnt
	while read -r mnt; do
		_unmount "$mnt"
	done < <(_mounts_below "$1")
}

# A folder that other users can reach, with the program and a checkpoint in it.
make_place() {
	PLACE=$(mktemp -d /tmp/ckptfuse-test.XXXXXX)
	chmod 755 "$PLACE"
	cp "$CKPTFUSE" "$PLACE/ckptfuse"
	cp "$SRC".* "$DATA/saver/expected.sha256" "$PLACE"
	mkdir "$PLACE/mnt"
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

need_user() {
	[ "$(id -u)" = 0 ] || skip "not root, who could become a user"
	command -v setpriv >/dev/null || skip "no setpriv"
	[ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not set-user-ID"
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	make_place
}

# The function, in a mount namespace where /dev/fuse is for everybody, as it usually is.
where_users_mount() {
	mknod "$PLACE/fuse" c 10 229
	chmod 666 "$PLACE/fuse"
	export PLACE
	export -f as_nobody is_mounted _mounts_below wait_gone wait_until _is_gone _pause \
		mount_and_unmount mount_only mount_for_all
	unshare -m bash -ec "mount --bind '$PLACE/fuse' /dev/fuse; $1" 3>&-
}

mount_and_unmount() {
	local p=$PLACE/ckptfuse source=$PLACE/model.ckpt-100 mnt=$PLACE/mnt pid
	as_nobody "$p" "$source" "$mnt"
	as_nobody sh -c "cd $mnt && sha256sum --quiet -c ../expected.sha256"
	[ "$(as_nobody stat -c '%u %g' "$mnt/global_step")" = "65534 65534" ]
	# SIGTERM unmounts, though the user may not umount
	pid=$(as_nobody sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$mnt/.ckptfuse/status.json")
	kill -TERM "$pid"
	wait_gone "$pid"
	if is_mounted "$mnt"; then
		return 1
	fi
	# a dead mount is cleared away by the user too
	as_nobody "$p" "$source" "$mnt"
	pid=$(as_nobody sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$mnt/.ckptfuse/status.json")
	kill -KILL "$pid"
	wait_gone "$pid"
	as_nobody "$p" "$source" "$mnt"
	as_nobody cat "$mnt/global_step" >/dev/null
	as_nobody fusermount3 -u "$mnt"
}

@test "a user mounts with fusermount3" {
	need_user
	chown 65534 "$PLACE/mnt"
	where_users_mount mount_and_unmount
}

mount_only() {
	as_nobody "$PLACE/ckptfuse" "$PLACE/model.ckpt-100" "$PLACE/mnt"
}

@test "a user and a folder that is not his own: one line, exit 6" {
	need_user
	run -6 where_users_mount mount_only
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == "ckptfuse: $PLACE/mnt: cannot be mounted on: "*fusermount3* ]]
}

mount_for_all() {
	as_nobody "$PLACE/ckptfuse" -o allow_other "$PLACE/model.ckpt-100" "$PLACE/mnt"
}

@test "allow_other that fuse.conf does not allow is explained" {
	if grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null; then
		skip "fuse.conf allows it"
	fi
	need_user
	chown 65534 "$PLACE/mnt"
	run -6 where_users_mount mount_for_all
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == *"user_allow_other to /etc/fuse.conf" ]]
}

@test "in a user namespace" {
	unshare -Urm true 2>/dev/null || skip "no user namespaces"
	[ -w /dev/fuse ] || skip "/dev/fuse is not for this user"
	unshare -Urm sh -ec "
		'$CKPTFUSE' '$SRC' '$MNT' </dev/null
		cd '$MNT'
		sha256sum --quiet -c '$DATA/saver/expected.sha256'
		stat -c '%u %g' global_step
		cd /
		umount '$MNT'
	" 3>&- >"$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "0 0" ]
}

@test "the device passed as /dev/fd/N" {
	[ "$(id -u)" = 0 ] || skip "not root"
	command -v python3 >/dev/null || skip "no python3"
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	python3 - "$CKPTFUSE" "$SRC" "$MNT" "$BATS_TEST_TMPDIR/pipe" <<-'EOF' 3>&- &
		import ctypes, os, sys
		program, source, mnt, pipe = sys.argv[1:]
		libc = ctypes.CDLL(None, use_errno=True)
		fd = os.open('/dev/fuse', os.O_RDWR)
		options = 'fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=1048576' % fd
		if libc.mount(b'passed', mnt.encode(), b'fuse.ckptfuse', 0, options.encode()):
		    sys.exit(os.strerror(ctypes.get_errno()))
		os.set_inheritable(fd, True)
		os.execv(program, [program, '-o', 'notify_pipe=' + pipe, source, '/dev/fd/%d' % fd])
	EOF
	[ "$(timeout 10 head -c 1 "$BATS_TEST_TMPDIR/pipe")" = s ]
	wait $!
	(cd "$MNT" && sha256sum --quiet -c "$DATA/saver/expected.sha256")
	# the one who mounted did not say ro
	run ! touch "$MNT/new"
	[[ $output == *"Read-only file system"* ]]
	run ! truncate -s 0 "$MNT/global_step"
	[[ $output == *"Read-only file system"* ]]
	run ! rm -f "$MNT/global_step"
	[[ $output == *"Read-only file system"* ]]
}

@test "a descriptor that is none: exit 6" {
	run -6 start_ckptfuse "$SRC" /dev/fd/99
	[ "${#lines[@]}" = 1 ]
}

# Containers, made of the host's own programs.

container_root() {
	local root=$1 file lib
	shift
	mkdir -p "$root"/{bin,usr/bin,usr/sbin,lib64,dev,proc,sys,tmp,mnt,data,host,etc}
	cp "$SRC".* "$DATA/saver/expected.sha256" "$root/data"
	for file in "$@"; do
		cp "$file" "$root/bin/"
		while read -r lib; do
			mkdir -p "$root/$(dirname "$lib")"
			[ -e "$root/$lib" ] || cp -L "$lib" "$root/$lib"
		done < <(ldd "$file" | grep -o '/[^ ]*')
	done
}

in_container() {
	timeout 60 podman --runtime runc --storage-driver vfs --root "$PLACE/store" --runroot "$PLACE/run" \
		run --rm \
		--ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --network none "$@" 3>&-
}

need_container() {
	[ "$(id -u)" = 0 ] || skip "not root"
	command -v podman >/dev/null || skip "no podman"
	command -v runc >/dev/null || skip "no runc"
	PLACE=$(mktemp -d /tmp/ckptfuse-test.XXXXXX)
	container_root "$PLACE/root" "$CKPTFUSE" /bin/sh "$(command -v sha256sum)" /bin/cat \
		/bin/umount
	mv "$PLACE/root/bin/$(basename "$CKPTFUSE")" "$PLACE/root/bin/ckptfuse" 2>/dev/null || :
	in_container --rootfs "$PLACE/root" /bin/cat /data/expected.sha256 >/dev/null ||
		skip "containers do not run here"
}

@test "in a container that may mount" {
	need_container
	run -0 in_container --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined \
		--rootfs "$PLACE/root" /bin/sh -ec '
			ckptfuse /data/model.ckpt-100 /mnt
			cd /mnt
			sha256sum -c /data/expected.sha256
			cd /
			umount /mnt
			ckptfuse /data/model.ckpt-100 /mnt
			cat /mnt/.ckptfuse/status.json
		'
	echo "$output"
	[ "$(grep -c ': OK$' <<<"$output")" = 21 ]
}

@test "in a container that may not mount: exit 6 and a line that says so" {
	need_container
	run -6 in_container --rootfs "$PLACE/root" /bin/sh -ec 'ckptfuse /data/model.ckpt-100 /mnt'
	echo "$output"
	[[ $output == *"ckptfuse: /mnt: cannot be mounted on: "* ]]
}

@test "a mount of the host seen in a container" {
	need_container
	start_ckptfuse "$SRC" "$MNT"
	run -0 in_container -v "$MNT:/host:ro" --rootfs "$PLACE/root" /bin/sh -ec '
		cd /host
		sha256sum -c /data/expected.sha256
	'
	echo "$output"
	[ "$(grep -c ': OK$' <<<"$output")" = 21 ]
}
