#!/bin/bash
# quickstart.sh - from a fresh checkout to a mounted checkpoint.
#
# usage: contrib/quickstart.sh [SOURCE [MOUNTPOINT]]
#
# Installs the Debian packages that are missing (as root or with sudo; not at all if none is),
# builds in the folder "build" of the source tree and mounts SOURCE: a checkpoint's prefix, one of
# its files, or a SavedModel's folder. Without MOUNTPOINT it goes where ckptfuse itself puts it,
# NAME.mnt in the current folder. Without SOURCE a small sample is mounted and shown around.
# It can be run again at any time.
set -euo pipefail

# shellcheck source=common.bash
. "$(dirname -- "${BASH_SOURCE[0]}")/common.bash"
build=$top/build
ckptfuse=$build/ckptfuse
ckptctl=$build/ckptctl
sample=$top/tests/data/saver/model.ckpt-100

usage() {
	sed -n 's/^# usage: /usage: /p' "${BASH_SOURCE[0]}"
}

# Where the output of apt-get and of the build goes. The build's folder may be another user's, and
# still all there is to need.
choose_log() {
	log=$build/quickstart.log
	if ! { mkdir -p "$build" && : >>"$log"; } 2>/dev/null; then
		log=$(mktemp "${TMPDIR:-/tmp}/ckptfuse-quickstart.XXXXXX")
		trap 'rm -f "$log"' EXIT
	fi
}

packages() {
	local -a missing
	mapfile -t missing < <(missing_for_build | tr ' ' '\n')
	if [ "${#missing[@]}" -eq 0 ]; then
		say "packages: all there"
	else
		install_packages "$log" "${missing[@]}" || exit 1
	fi
}

is_built() {
	grep -qsxF "abs_top_builddir = $build" "$build/Makefile" &&
		make -q -C "$build" all-am >/dev/null 2>&1
}

make_all() {
	configure_in "$build" && make -C "$build" -j"$(cpus)" all
}

build() {
	built=false
	if is_built; then
		say "build: up to date"
		return
	fi
	if ! [ -w "$top" ] || { [ -e "$build" ] && ! [ -w "$build" ]; }; then
		die 1 "the build needs to write in $top, which $(id -un) may not:" \
			"run this as the tree's owner, or from a copy of the tree"
	fi
	say "build: in $build"
	if ! make_all </dev/null >"$log" 2>&1; then
		say "build: failed; the end of $log:" >&2
		tail -n 30 "$log" >&2
		exit 1
	fi
	built=true
}

# A folder of this user alone, the same each time.
sample_mountpoint() {
	local dir=/tmp/ckptfuse-sample-$UID
	if [ -n "${XDG_RUNTIME_DIR-}" ] && [ -d "$XDG_RUNTIME_DIR" ] && [ -w "$XDG_RUNTIME_DIR" ]; then
		dir=$XDG_RUNTIME_DIR/ckptfuse-sample
	fi
	realpath -m -- "$dir"
}

# What is mounted on a path, as "TYPE<tab>SOURCE"; nothing if nothing is.
mounted_on() {
	local path rest
	while IFS=$'\t' read -r path rest; do
		if [ "$path" = "$1" ]; then
			printf '%s\n' "$rest"
			return
		fi
	done < <(fuse_mounts)
}

how_to_unmount() {
	if [ "$EUID" -eq 0 ]; then
		printf 'umount %q' "$1"
	else
		printf 'fusermount3 -u %q' "$1"
	fi
}

# Prints why FUSE cannot be used here, if it cannot.
fuse_trouble() {
	if ! [ -c /dev/fuse ]; then
		say "There is no /dev/fuse here. On a machine of its own: modprobe fuse, as root." \
			"In a container: start it with --device /dev/fuse --cap-add SYS_ADMIN." \
			"In a chroot: mount --bind /dev into it."
	elif ! [ -r /dev/fuse ] || ! [ -w /dev/fuse ]; then
		say "$(id -un) may not use /dev/fuse: as root, chmod 666 /dev/fuse."
	fi
}

# Nothing can be mounted: shows what the shell can, and ends.
instead_of_mount() {
	say "" "$1" "" "The same without a mount:" "    $(printf '%q ls %q' "$ckptctl" "$source")" ""
	"$ckptctl" ls "$source"
	exit 6
}

# Where ckptfuse would put it, if it is there already from an earlier run; else nothing.
earlier_mount() {
	local name path type from
	name=$(basename -- "$source").mnt
	while IFS=$'\t' read -r path type from; do
		if [ "$type" = fuse.ckptfuse ] && is_same "$from"; then
			case $path in
			"$PWD/$name" | "$(realpath -m -- "$source/..")/$name")
				printf '%s\n' "$path"
				return
				;;
			esac
		fi
	done < <(fuse_mounts)
}

# Mounts the source, unless it is mounted already; sets mnt where ckptfuse is to choose.
mount_source() {
	local trouble there type from status=0 before ours=false
	if [ -z "$mnt" ]; then
		mnt=$(earlier_mount)
		ours=true
	fi
	if [ -n "$mnt" ]; then
		there=$(mounted_on "$mnt")
		IFS=$'\t' read -r type from <<<"$there"
		if [ "$type" = fuse.ckptfuse ] && answers "$mnt"; then
			if ! is_same "$from"; then
				die 8 "$mnt already shows $from: $(how_to_unmount "$mnt")"
			fi
			if ! "$built"; then
				say "mount: $mnt is mounted already"
				return
			fi
			say "mount: $mnt was mounted by the program before this build, mounting it again"
			# This waits for that program's end, which a folder that it made goes with.
			"$ckptctl" umount "$mnt" || unmount_lazily "$mnt"
			! "$ours" || mnt=
		elif [ "$type" = fuse.ckptfuse ]; then
			say "mount: $mnt was left by a program that has ended, mounting it again"
			unmount_lazily "$mnt"
			if "$ours"; then
				rmdir -- "$mnt" 2>/dev/null || :
				mnt=
			fi
		fi
	fi
	trouble=$(fuse_trouble)
	[ -z "$trouble" ] || instead_of_mount "$trouble"
	if [ -n "$mnt" ]; then
		mkdir -p -- "$mnt"
		say "mount: $source on $mnt"
		"$ckptfuse" "$source" "$mnt" </dev/null || status=$?
	else
		before=$(ckptfuse_mounts "" | sort)
		"$ckptfuse" "$source" </dev/null || status=$?
		mnt=$(comm -13 <(printf '%s\n' "$before") <(ckptfuse_mounts "" | sort) | head -n 1)
		[ "$status" -ne 0 ] || say "mount: $source on $mnt"
	fi
	case $status in
	0) ;;
	6) instead_of_mount "It could not be mounted; what ckptfuse says to it is above." ;;
	*) exit "$status" ;;
	esac
}

# Is it our source that a mount shows?
is_same() {
	[ "$(realpath -m -- "$1")" = "$(realpath -m -- "$source")" ]
}

show_sample() {
	local variable=dense/bias
	say "" "The tree, $mnt:" ""
	(cd "$mnt" && find . -name .ckptfuse -prune -o -type f -printf '%8s  %P\n' | sort -k 2)
	say "" "What is known of one variable, $variable.json:" ""
	cat "$mnt/$variable.json"
	say "" "Its values, ckptctl show:" ""
	"$ckptctl" show "$source" "$variable"
}

show_source() {
	say "" "The top of the tree:" ""
	# Read to the end, or find would be told that nobody listens.
	find "$mnt" -mindepth 1 -maxdepth 1 -printf '%y  %8s  %f\n' | sort -k 3 |
		awk 'NR <= 20; END { if (NR > 20) print "... and", NR - 20, "more" }'
}

show_further() {
	local q_mnt q_ctl q_source
	q_mnt=$(printf %q "$mnt")
	q_ctl=$(printf %q "$ckptctl")
	q_source=$(printf %q "$source")
	cat <<END

Look further:
    find $q_mnt -name '*.json'
    $q_ctl ls $q_source
    $q_ctl show $q_source
    $(printf %q "$ckptfuse") --help
Unmount:
    $(how_to_unmount "$mnt")
END
	if [ "$EUID" -ne 0 ] && ! [ -e /etc/mtab ]; then
		say "fusermount3 needs /etc/mtab, which is missing here: as root, ln -s /proc/self/mounts /etc/mtab"
	fi
}

case ${1-} in
-h | --help)
	usage
	exit
	;;
-*)
	usage >&2
	exit 1
	;;
esac
if [ $# -gt 2 ]; then
	usage >&2
	exit 1
fi

source=${1-$sample}
mnt=
if [ $# -eq 2 ]; then
	mnt=$(realpath -m -- "$2")
elif [ $# -eq 0 ]; then
	mnt=$(sample_mountpoint)
fi

choose_log
packages
build
if [ $# -eq 0 ] && [ -z "$(mounted_on "$mnt")" ]; then
	# In /tmp others may have been there before.
	(umask 077 && mkdir -p -- "$mnt")
	if ! [ -O "$mnt" ] || [ -L "$mnt" ]; then
		die 1 "$mnt belongs to somebody else; name a mount point: contrib/quickstart.sh SOURCE MOUNTPOINT"
	fi
fi
mount_source
if [ $# -eq 0 ]; then
	show_sample
else
	show_source
fi
show_further
