# common.bash - what quickstart.sh and run-tests.sh share: packages, the build, mounts.
# The caller uses "set -euo pipefail".

top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

# Each argument on a line of its own.
say() {
	printf "%s\n" "$@"
}

# die STATUS MESSAGE...: the message, a line for each argument, on stderr.
die() {
	local status=$1
	shift
	printf '%s\n' "${0##*/}: $1" "${@:2}" >&2
	exit "$status"
}

# Packages

has_command() {
	command -v "$1" >/dev/null
}

has_library() {
	has_command pkg-config && pkg-config --exists "$1" 2>/dev/null
}

can_compile() {
	has_command gcc && echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1
}

# What ckptfuse is built with and mounts with, as far as it is missing, as names of Debian
# packages. It looks for the things themselves, so that what came by another way is as good.
missing_for_build() {
	can_compile || echo gcc libc6-dev
	has_command make || echo make
	has_command autoreconf || echo autoconf
	has_command automake || echo automake
	has_command pkg-config || echo pkg-config
	has_library fuse3 || echo libfuse3-dev
	has_library jansson || echo libjansson-dev
	has_library libisal || echo libisal-dev
	has_library snappy || echo libsnappy-dev
	has_command fusermount3 || echo fuse3
}

# install_packages LOG PACKAGE...: quiet unless it fails. Returns 1 where it cannot, having said why.
install_packages() {
	local log=$1
	local -a as_root=()
	shift
	if ! has_command apt-get; then
		say "packages: there is no apt-get here; install what these are in Debian: $*" >&2
		return 1
	fi
	if [ "$EUID" -ne 0 ]; then
		if ! has_command sudo; then
			say "packages: these are missing, and you are neither root nor is there sudo; as root:" \
				"apt-get install $*" >&2
			return 1
		fi
		as_root=(sudo)
	fi
	say "packages: installing $*"
	# Old lists may do where one of the sources cannot be reached; so this may fail.
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update </dev/null >"$log" 2>&1 || :
	if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o Dpkg::Use-Pty=0 install --no-install-recommends "$@" </dev/null >>"$log" 2>&1; then
		say "packages: apt-get failed:" >&2
		tail -n 40 "$log" >&2
		return 1
	fi
}

# The build

# configure_in FOLDER OPTION...: autoreconf where needed, and configure unless that is done.
configure_in() {
	local folder=$1
	shift
	if [ -f "$top/config.status" ]; then
		say "the source tree was built in place; run \"make distclean\" in $top first" >&2
		return 1
	fi
	if ! [ -f "$top/configure" ] || ! [ -f "$top/Makefile.in" ] ||
		! [ -f "$top/build-aux/tap-driver.sh" ]; then
		(cd "$top" && autoreconf -i) || return
	fi
	mkdir -p "$folder" || return
	# A tree that was moved or copied has the old place in its Makefile.
	if ! grep -qsxF "abs_top_builddir = $folder" "$folder/Makefile"; then
		(cd "$folder" && "$top/configure" "$@") || return
	fi
}

cpus() {
	nproc 2>/dev/null || echo 2
}

# Mounts

# FUSE mounts as lines of "MOUNTPOINT<tab>TYPE<tab>SOURCE", the last mounted first. The table is
# read in one go: "read" goes back and forth in a file, and misses lines while mounts change.
fuse_mounts() {
	local id path type from rest
	while read -r id _ _ _ path rest; do
		rest=${rest#*- }
		read -r type from _ <<<"$rest"
		case $type in
		fuse | fuse.*) ;;
		*) continue ;;
		esac
		# mountinfo writes a space as \040
		printf '%s\t%b\t%s\t%b\n' "$id" "${path//\\/\\0}" "$type" "${from//\\/\\0}"
	done <<<"$(cat /proc/self/mountinfo)" | sort -rn | cut -f 2-
}

# ckptfuse_mounts FOLDER: mount points of ckptfuse, at or below the folder; "" means all.
ckptfuse_mounts() {
	local path type
	while IFS=$'\t' read -r path type _; do
		[ "$type" = fuse.ckptfuse ] || continue
		case $path in
		"$1" | "$1"/*) printf '%s\n' "$path" ;;
		esac
	done < <(fuse_mounts)
}

# Does what is mounted there answer? The file system's numbers are asked for, since names and
# attributes come from the kernel's memory even where the program is gone.
answers() {
	timeout 10 stat -f -- "$1" >/dev/null 2>&1
}

# unmount_lazily PATH: gone from the tree at once, from memory when the last user has gone.
unmount_lazily() {
	if has_command fusermount3 && timeout 10 fusermount3 -uz -- "$1" 2>/dev/null; then
		return
	fi
	timeout 10 umount -l -- "$1"
}
