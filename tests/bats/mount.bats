# mount.bats - what a mount shows, and what reading it means.

load helper

setup() {
	require_fuse
	DATA=$SRCDIR/tests/data
	MNT=$BATS_TEST_TMPDIR/mnt
}

teardown() {
	unmount_all
}

# mount_data FIXTURE [OPTION...]: the fixture's checkpoint.
mount_data() {
	local index
	for index in "$DATA/$1"/*.index "$DATA/$1"/variables/*.index; do
		[ -e "$index" ] && break
	done
	shift
	mount_ckpt "$index" "$@"
}

# Every file of the fixture has the bytes that the generator wrote down.
check_sums() {
	(cd "$MNT" && sha256sum --quiet -c "$DATA/$1/expected.sha256")
}

@test "every fixture's bytes, name by name" {
	local fixture
	for fixture in alltypes big-endian names names-bytes shapes shards5 sliced snappy strings; do
		echo "# $fixture"
		mount_data "$fixture"
		check_sums "$fixture"
		[ ! -s "$MNT/.ckptfuse/log" ]
		_unmount "$MNT"
	done
}

@test "a SavedModel folder and its saved_model.pb" {
	mount_ckpt "$DATA/savedmodel"
	check_sums savedmodel
	_unmount "$MNT"
	mount_ckpt "$DATA/savedmodel/saved_model.pb"
	check_sums savedmodel
}

@test "the root lists .ckptfuse first, then names in natural order, V.json before V" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	run -0 env LC_ALL=C ls -fA "$MNT"
	# -f of old versions shows . and .. all the same
	[ "$(grep -vx '\.\{1,2\}' <<<"$output" | tr '\n' ' ')" = \
		".ckptfuse beta1_power.json beta1_power beta2_power.json beta2_power dense dense_1 dense_2 global_step.json global_step " ]
	run -0 ls -fA "$MNT/dense"
	[ "$(grep -vx '\.\{1,2\}' <<<"$output" | tr '\n' ' ')" = \
		"bias.json bias.d bias kernel.json kernel.d kernel " ] ||
		[ "$(grep -vx '\.\{1,2\}' <<<"$output" | tr '\n' ' ')" = \
			"bias.json bias bias.d kernel.json kernel kernel.d " ]
}

@test "V.json has the lower inode number, and no number comes twice" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	while read -r file; do
		[ "$(stat -c %i "$file.json")" -lt "$(stat -c %i "$file")" ]
	done < <(find "$MNT" -type f ! -name '*.json' ! -path '*/.ckptfuse/*')
	[ -z "$(find "$MNT" -printf '%i\n' | sort | uniq -d)" ]
	# what readdir says is what stat says
	find "$MNT" -mindepth 1 -printf '%i %p\n' | while read -r ino path; do
		[ "$(stat -c %i "$path")" = "$ino" ]
	done
}

@test "a variable that is a scope as well has a folder with .d" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	[ -f "$MNT/dense/kernel" ]
	[ -d "$MNT/dense/kernel.d" ]
	[ -f "$MNT/dense/kernel.d/Adam" ]
	[ "$(jq -r .name "$MNT/dense/kernel.d/Adam.json")" = dense/kernel/Adam ]
}

@test "a folder is found as .d too, and is one folder by either name" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	[ -d "$MNT/dense.d" ]
	cmp "$MNT/dense/kernel" "$MNT/dense.d/kernel"
	cmp "$MNT/dense/kernel.d/Adam" "$MNT/dense.d/kernel.d/Adam"
	[ -d "$MNT/dense" ]
	run ! grep -x "dense\.d" <(ls "$MNT")
	# both stay usable while in use
	(cd "$MNT/dense" && ls "$MNT/dense.d" >/dev/null && ls . >/dev/null && cat kernel >/dev/null)
	(cd "$MNT/dense.d" && ls "$MNT/dense" >/dev/null && [ -f kernel ])
}

@test "V.json says what V is" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	local v=$MNT/dense/kernel
	[ "$(jq -c '[.name, .dtype, .shape, .nbytes, .byte_order]' "$v.json")" = \
		'["dense/kernel","float32",[4,8],128,"little"]' ]
	[[ $(jq -r .crc32c "$v.json") =~ ^[0-9a-f]{8}$ ]]
	[ "$(stat -c %s "$v.json")" = "$(wc -c <"$v.json")" ]
	[ "$(tail -c 1 "$v.json" | od -An -tx1 | tr -d ' ')" = 0a ]
}

@test "every V.json is an object as long as stat says" {
	mount_data strings
	find "$MNT" -name '*.json' ! -path '*/.ckptfuse/*' | while read -r file; do
		[ "$(stat -c %s "$file")" = "$(wc -c <"$file")" ]
		jq -e 'type == "object" and .dtype' "$file" >/dev/null
	done
}

@test "V.json of a string tensor tells its elements apart" {
	mount_data strings
	local file sum
	while read -r file; do
		sum=$(jq '[.lengths[]?] | add // 0' "$file")
		[ "$(jq '.shape | length' "$file")" = 0 ] ||
			[ "$sum" = "$(stat -c %s "${file%.json}")" ]
	done < <(find "$MNT" -name '*.json' ! -path '*/.ckptfuse/*')
}

@test "attributes are sane" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	[ "$(stat -c '%F %a %h %s %b %B' "$MNT/dense/kernel")" = "regular file 444 1 128 1 512" ]
	[ "$(stat -c '%F %a' "$MNT/dense")" = "directory 555" ]
	# 2 and the folders in it: dense*, and .ckptfuse in the root
	[ "$(stat -c %h "$MNT")" = 6 ]
	[ "$(stat -c %h "$MNT/dense")" = 4 ]
	[ "$(stat -c %h "$MNT/dense/kernel.d")" = 2 ]
	[ "$(stat -c '%Y %Z' "$MNT/dense/kernel")" = \
		"$(stat -c '%Y %Y' "$DATA/saver/model.ckpt-100.index")" ]
	[ "$(stat -c '%u %g' "$MNT/dense/kernel")" = "$(id -u) $(id -g)" ]
}

@test "find, du and df work" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	[ "$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' | wc -l)" = 21 ]
	[ "$(find "$MNT" -type d | wc -l)" = 11 ]
	du -s "$MNT"
	[ "$(cd "$MNT" && find . -type f ! -path './.ckptfuse/*' ! -name '*.json' -printf '%s\n' |
		awk '{ n += $1 } END { print n }')" = 1396 ]
	run -0 stat -f -c '%S %b %f %l' "$MNT"
	[ "$output" = "4096 1 0 255" ]
	df "$MNT"
}

@test "a copy of the tree is the tree" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	cp -r "$MNT" "$BATS_TEST_TMPDIR/copy"
	diff -r -x .ckptfuse "$MNT" "$BATS_TEST_TMPDIR/copy"
	tar -C "$MNT" -cf "$BATS_TEST_TMPDIR/tree.tar" .
	tar -C "$MNT" -df "$BATS_TEST_TMPDIR/tree.tar" ./dense
}

@test "reads at any place and of any length" {
	mount_data shards5
	local file copy=$BATS_TEST_TMPDIR/copy
	file=$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' -printf '%s %p\n' |
		sort -rn | head -n 1 | cut -d ' ' -f 2-)
	cat "$file" >"$copy"
	local size
	size=$(stat -c %s "$file")
	for at in 0 1 7 $((size / 2)) $((size - 1)) "$size" $((size + 5)); do
		cmp <(tail -c +$((at + 1)) "$file") <(tail -c +$((at + 1)) "$copy")
		cmp <(dd if="$file" bs=1 skip="$at" count=9 status=none) \
			<(dd if="$copy" bs=1 skip="$at" count=9 status=none)
	done
	cmp <(dd if="$file" bs=3 status=none) "$copy"
}

@test "O_DIRECT reads" {
	mount_data sliced
	local file
	find "$MNT" -type f ! -path '*/.ckptfuse/*' | while read -r file; do
		cmp <(dd if="$file" iflag=direct bs=4096 status=none) "$file"
	done
}

@test "mmap, shared and private" {
	command -v python3 >/dev/null || skip "no python3"
	mount_ckpt "$DATA/saver/model.ckpt-100"
	python3 - "$MNT/dense/kernel" <<-'EOF'
		import mmap, sys
		data = open(sys.argv[1], 'rb').read()
		for flags in mmap.MAP_SHARED, mmap.MAP_PRIVATE:
		    with open(sys.argv[1], 'rb') as f:
		        m = mmap.mmap(f.fileno(), 0, flags=flags, prot=mmap.PROT_READ)
		    assert m[:] == data, flags
	EOF
}

@test "a listing can be left and gone on with" {
	command -v python3 >/dev/null || skip "no python3"
	mount_data many6000
	python3 - "$MNT" <<-'EOF'
		import ctypes, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		libc.opendir.restype = ctypes.c_void_p
		libc.readdir.restype = ctypes.c_void_p
		libc.telldir.restype = ctypes.c_long
		libc.readdir.argtypes = libc.telldir.argtypes = [ctypes.c_void_p]
		libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
		libc.closedir.argtypes = [ctypes.c_void_p]

		def entry(d):
		    p = libc.readdir(d)
		    return ctypes.string_at(p + 19) if p else None

		top = max((p for p, _, _ in os.walk(sys.argv[1])), key=lambda p: len(os.listdir(p)))
		for path in top, sys.argv[1]:
		    d = libc.opendir(path.encode())
		    seen = []
		    while True:
		        at = libc.telldir(d)
		        name = entry(d)
		        if name is None:
		            break
		        seen.append((at, name))
		    assert len(set(n for _, n in seen)) == len(seen)
		    assert sorted(n.decode() for _, n in seen) == sorted(os.listdir(path) + ['.', '..'])
		    for at, name in seen[::-7]:
		        libc.seekdir(d, at)
		        assert entry(d) == name, (at, name)
		    libc.closedir(d)
	EOF
}

@test "nothing can be changed: EROFS" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	local v=$MNT/global_step
	run ! dd if=/dev/zero of="$v" bs=1 count=1 conv=notrunc
	[[ $output == *"Read-only file system"* ]]
	run ! touch "$MNT/new"
	[[ $output == *"Read-only file system"* ]]
	run ! rm -f "$v"
	[[ $output == *"Read-only file system"* ]]
	run ! mv "$v" "$MNT/other"
	[[ $output == *"Read-only file system"* ]]
	run ! mkdir "$MNT/folder"
	[[ $output == *"Read-only file system"* ]]
	run ! chmod 600 "$v"
	[[ $output == *"Read-only file system"* ]]
	run ! truncate -s 0 "$v"
	[[ $output == *"Read-only file system"* ]]
	run ! ln "$v" "$MNT/link"
	[[ $output == *"Read-only file system"* ]]
	run ! ln -s x "$MNT/link"
	[[ $output == *"Read-only file system"* ]]
}

@test "names that are not there, and spellings that no name has" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	run ! cat "$MNT/nothing"
	[[ $output == *"No such file"* ]]
	run ! cat "$MNT/nothing"
	[[ $output == *"No such file"* ]]
	run ! cat "$MNT/global_step/x"
	[[ $output == *"Not a directory"* ]]
	run ! cat "$MNT/%41"
	[[ $output == *"Invalid argument"* ]]
	run ! cat "$MNT/100%"
	[[ $output == *"Invalid argument"* ]]
	grep -F '"100%"' "$MNT/.ckptfuse/log"
	run ! cat "$MNT/$(printf 'x%.0s' {1..256})"
	[[ $output == *"File name too long"* ]]
}

@test "extended attributes of V" {
	command -v getfattr >/dev/null || skip "no getfattr"
	mount_ckpt "$DATA/saver/model.ckpt-100"
	local v=$MNT/dense/kernel
	attribute() {
		getfattr --only-values -n "user.ckptfuse.$1" "$v"
	}
	[ "$(attribute dtype)" = float32 ]
	[ "$(attribute shape | jq -c .)" = "[4,8]" ]
	[ "$(attribute byte_order)" = little ]
	[ "$(attribute name)" = dense/kernel ]
	[ "$(attribute crc32c)" = "$(jq -r .crc32c "$v.json")" ]
	[ "$(getfattr -d -m - "$v" | grep -c '^user\.ckptfuse\.')" = 5 ]
	run ! getfattr -n user.other "$v"
	[[ $output == *"No such attribute"* ]]
	[ -z "$(getfattr -d -m - "$v.json" "$MNT/dense" "$MNT")" ]
	run ! setfattr -n user.ckptfuse.dtype -v int8 "$v"
}

@test "a buffer that is too small for an attribute: ERANGE" {
	command -v python3 >/dev/null || skip "no python3"
	mount_ckpt "$DATA/saver/model.ckpt-100"
	python3 - "$MNT/dense/kernel" <<-'EOF'
		import ctypes, errno, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		path = sys.argv[1].encode()
		buf = ctypes.create_string_buffer(100)
		for call, need in ((lambda p, n: libc.getxattr(path, b'user.ckptfuse.dtype', p, n), 7),
		                   (lambda p, n: libc.listxattr(path, p, n), 106)):
		    need = call(None, 0)
		    assert need > 0
		    big = ctypes.create_string_buffer(need)
		    assert call(big, need) == need
		    assert call(buf, 3) == -1 and ctypes.get_errno() == errno.ERANGE
	EOF
}

@test "a sliced variable is one tensor, and has no checksum of its own" {
	mount_data sliced
	command -v getfattr >/dev/null || skip "no getfattr"
	local file seen=0
	while read -r file; do
		jq -e '.slices' "$file" >/dev/null || continue
		seen=$((seen + 1))
		run ! getfattr -n user.ckptfuse.crc32c "${file%.json}"
		[ "$(getfattr -d -m - "${file%.json}" | grep -c '^user\.ckptfuse\.')" = 4 ]
	done < <(find "$MNT" -name '*.json' ! -path '*/.ckptfuse/*')
	[ "$seen" -gt 0 ]
}

@test "what has no known meaning is listed and cannot be opened" {
	mount_data variant
	run ! cat "$MNT/list"
	[[ $output == *"Operation not supported"* ]]
	grep -F '"list"' "$MNT/.ckptfuse/log"
	jq -e .dtype "$MNT/list.json"
}

@test ".ckptfuse/checkpoint.json names every variable" {
	mount_data names
	local file=$MNT/.ckptfuse/checkpoint.json
	[ "$(stat -c %s "$file")" = "$(wc -c <"$file")" ]
	[ "$(jq '.variables | length' "$file")" = "$(jq .count "$file")" ]
	[ "$(jq -r .format "$file")" = tensorflow ]
	[ "$(jq '[.files[].bytes] | add' "$file")" = \
		"$(cat "$DATA"/names/model.ckpt.* | wc -c)" ]
	[ "$(jq -c '.variables | map(.name) | sort' "$file")" = \
		"$(jq -c '.variables | map(.name) | sort' "$DATA/names/expected.json")" ]
}

@test "checkpoint.json of many variables, read in pieces" {
	mount_data many6000
	local file=$MNT/.ckptfuse/checkpoint.json
	[ "$(jq '.variables | length' "$file")" = 6000 ]
	local size copy=$BATS_TEST_TMPDIR/copy
	size=$(stat -c %s "$file")
	cat "$file" >"$copy"
	[ "$(stat -c %s "$copy")" = "$size" ]
	for at in 1 1000 $((size / 3)) $((size / 2)) $((size - 20)); do
		cmp <(dd if="$file" iflag=direct,skip_bytes bs=4096 skip=$((at / 4096 * 4096)) \
			count=3 status=none) \
			<(dd if="$copy" iflag=skip_bytes bs=4096 skip=$((at / 4096 * 4096)) \
				count=3 status=none)
	done
}

@test ".ckptfuse/status.json says what is mounted" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	local file=$MNT/.ckptfuse/status.json
	[ "$(jq -r .source "$file")" = "$DATA/saver/model.ckpt-100" ]
	[ "$(jq -r .mountpoint "$file")" = "$(realpath "$MNT")" ]
	[ "$(jq -c '[.mode, .format, .variables, .bytes, .staged, .unfinished, .problems]' \
		"$file")" = '["ro","tensorflow",21,1396,[],[],0]' ]
	[ "$(jq .pid "$file")" = "$(mount_pid "$MNT")" ]
	[ "$(stat -c %s "$file")" = "$(wc -c <"$file")" ]
}

@test "a folder of .ckptfuse lists its files and no others" {
	mount_ckpt "$DATA/saver/model.ckpt-100"
	[ "$(find "$MNT/.ckptfuse" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ')" = \
		"checkpoint.json log status.json " ]
	run ! cat "$MNT/.ckptfuse/nothing"
	run ! cat "$MNT/dense/.ckptfuse/log"
}

@test "many readers at once" {
	mount_data many6000
	local i
	local -a pids=()
	for i in 1 2 3 4; do
		(cd "$MNT" && find . -type f -print0 | xargs -0 cat | sha256sum) \
			>"$BATS_TEST_TMPDIR/sum$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	# status.json and log may differ between two readers
	[ "$(find "$MNT" -type f | wc -l)" = 12003 ]
}
