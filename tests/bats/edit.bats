# edit.bats - the writable mount: bytes and metadata of variables, and what is unfinished.

load helper
load edit

setup() {
	edit_setup
}

teardown() {
	edit_teardown
}

@test "bytes that are written are read at once, and published by the unmount" {
	take saver
	edit
	"$CKPTCTL" cat "$P" dense/bias >expected
	cp expected before
	printf 'abcd' | dd of=expected bs=1 seek=4 conv=notrunc status=none
	printf 'abcd' | dd of="$MNT/dense/bias" bs=1 seek=4 conv=notrunc status=none
	cmp "$MNT/dense/bias" expected
	# nothing of it is in the checkpoint yet
	has dense/bias before
	[ "$(jq '.staged | length' "$STATUS")" -gt 0 ]
	done_editing
	sound
	has dense/bias expected
	is dense/bias float32 "[8]"
}

@test "every variable can be written whole" {
	take alltypes
	edit
	local file name
	mkdir new
	while read -r file; do
		name=${file#"$MNT/"}
		[[ $name == */string ]] && continue
		mkdir -p "new/${name%/*}"
		bytes "$(stat -c %s "$file")" "$((${#name} + 7))" >"new/$name"
		cat "new/$name" >"$file"
		cmp "new/$name" "$file"
	done < <(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json')
	done_editing
	sound
	[ "$(find new -type f | wc -l)" -gt 50 ]
	find new -type f -printf '%P\n' | while read -r name; do
		has "$name" "new/$name"
	done
	[ "$(names)" = "$(names "$DATA/alltypes/model.ckpt")" ]
}

@test "no live byte and no index changes before it is published" {
	take saver
	local index shard size
	index=$(sha256sum <"$P.index")
	shard=$P.data-00000-of-00001
	size=$(stat -c %s "$shard")
	cp "$shard" before
	edit -o commit=manual
	bytes 32 >"$MNT/dense/bias"
	rm -r "$MNT/dense_1"
	mv "$MNT/dense_2" "$MNT/other"
	sync "$MNT/dense/bias"
	[ "$(sha256sum <"$P.index")" = "$index" ]
	cmp -n "$size" before "$shard"
	echo >"$MNT/.ckptfuse/discard"
	done_editing
	[ "$(sha256sum <"$P.index")" = "$index" ]
	cmp before "$shard"
	sound
}

@test "a mount that changes nothing writes nothing" {
	take saver
	local before
	before=$(cd "$DIR" && stat -c '%n %s %y %z %i' -- * && sha256sum -- *)
	edit
	find "$MNT" -type f -exec cat {} + >/dev/null
	done_editing
	[ "$(cd "$DIR" && stat -c '%n %s %y %z %i' model* && sha256sum model*)" = "$before" ]
	[ ! -e "$P.ckptfuse-journal" ]
}

@test "what is changed through a mapping is published, while it is mapped too" {
	take saver
	edit
	"$CKPTCTL" cat "$P" dense/bias >expected
	printf 'XYZ' | dd of=expected bs=1 seek=7 conv=notrunc status=none
	"$FSOP" mmap "$MNT/dense/bias" 7 XYZ
	cmp expected "$MNT/dense/bias"
	"$CKPTCTL" cat "$P" dense/kernel >kernel
	printf 'MAPPED' | dd of=kernel bs=1 seek=100 conv=notrunc status=none
	mkfifo fifo
	"$FSOP" mmap "$MNT/dense/kernel" 100 MAPPED fifo >seen 3>&- &
	exec 4>fifo
	wait_until 10 cmp -s kernel "$MNT/dense/kernel"
	sync "$MNT"
	has dense/bias expected
	has dense/kernel kernel
	exec 4>&-
	wait $!
	[ "$(cat seen)" = MAPPED ]
	done_editing
	sound
}

@test "a sync of the mount has mapped pages written back" {
	local options
	for options in -s "-o max_threads=4"; do
		take saver
		# shellcheck disable=SC2086
		edit $options
		rm -f fifo
		mkfifo fifo
		"$FSOP" mmap "$MNT/global_step" 0 12345678 fifo >seen 3>&- &
		exec 4>fifo
		# the open above is done when somebody has the other end
		timeout 20 "$FSOP" dirsync "$MNT"
		exec 4>&-
		wait $!
		[ "$(cat seen)" = 12345678 ]
		done_editing
		has_text global_step 12345678
	done
}

@test "a copy that is too short or too long fails, and leaves V unfinished" {
	take saver
	edit
	local n
	for n in 31 33; do
		bytes "$n" >new
		fails_with "Invalid argument" cp new "$MNT/dense/bias"
		cmp new "$MNT/dense/bias"
		[ "$(unfinished)" = dense/bias ]
		jq -e '.unfinished[0].why | length > 10' "$STATUS"
		run ! publish
		grep dense/bias "$LOG"
	done
	has dense/bias <(start_over dense/bias)
	bytes 32 >new
	cp new "$MNT/dense/bias"
	[ -z "$(unfinished)" ]
	publish
	has dense/bias new
	done_editing
	sound
}

# What the fixture has of a variable.
start_over() {
	"$CKPTCTL" cat "$DATA/saver/model.ckpt-100" "$1"
}

@test "a publish that is refused says so to whoever asked" {
	take saver
	edit
	bytes 5 >new
	run ! cp new "$MNT/dense/bias"
	run ! cp new "$MNT/dense/kernel"
	fails_with "Invalid argument" sync "$MNT"
	fails_with EINVAL "$FSOP" dirsync "$MNT"
	fails_with "Invalid argument" tee "$MNT/.ckptfuse/commit" <<<now
	# all of them are named
	tail -n 1 "$LOG" | grep -F dense/bias | grep -F dense/kernel
	[ "$(unfinished)" = "dense/bias dense/kernel" ]
	[ "$(jq -r .publish.will "$STATUS")" = "be refused while something is unfinished" ]
	# the log counts how often a line came; that is no part of what is wrong
	[[ $(tail -n 1 "$LOG") == *" times)" ]]
	run -7 "$CKPTCTL" commit "$MNT"
	[[ $output == *"2 variables are unfinished"* ]]
	[[ $output != *" times)"* ]]
	echo >"$MNT/.ckptfuse/discard"
	sync "$MNT"
}

@test "truncate: a close that has not written is not judged" {
	take saver
	edit
	truncate -s 16 "$MNT/dense/bias"
	[ "$(stat -c %s "$MNT/dense/bias")" = 16 ]
	[ "$(unfinished)" = dense/bias ]
	truncate -s 32 "$MNT/dense/bias"
	[ -z "$(unfinished)" ]
	{
		start_over dense/bias | head -c 16
		head -c 16 /dev/zero
	} >expected
	cmp expected "$MNT/dense/bias"
	# shell redirection truncates, duplicates, closes, and then writes
	bytes 128 >new
	cat new >"$MNT/dense/kernel"
	done_editing
	sound
	has dense/bias expected
	has dense/kernel new
}

@test "V.json: another shape or type of as many bytes" {
	take saver
	edit
	echo '{"shape": [2, 4]}' >"$MNT/dense/bias.json"
	echo '{"dtype": "int32", "shape": [32]}' >"$MNT/dense/kernel.json"
	[ "$(jq -c '[.dtype, .shape, .nbytes]' "$MNT/dense/bias.json")" = '["float32",[2,4],32]' ]
	[ "$(jq -c '[.dtype, .shape, .nbytes]' "$MNT/dense/kernel.json")" = '["int32",[32],128]' ]
	[ -z "$(unfinished)" ]
	done_editing
	sound
	is dense/bias float32 "[2,4]"
	has dense/bias <(start_over dense/bias)
	is dense/kernel int32 "[32]"
	has dense/kernel <(start_over dense/kernel)
}

@test "V.json of another size, before V and after it" {
	take saver
	edit
	bytes 16 1 >a
	bytes 48 2 >b
	echo '{"shape": [4]}' >"$MNT/dense/bias.json"
	[ "$(unfinished)" = dense/bias ]
	jq -r '.unfinished[0].why' "$STATUS" | grep 16
	cp a "$MNT/dense/bias"
	[ -z "$(unfinished)" ]
	fails_with "Invalid argument" cp b "$MNT/dense/kernel"
	[ "$(unfinished)" = dense/kernel ]
	echo '{"shape": [3, 4], "dtype": "uint32"}' >"$MNT/dense/kernel.json"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	is dense/bias float32 "[4]"
	has dense/bias a
	is dense/kernel uint32 "[3,4]"
	has dense/kernel b
}

@test "V.json that cannot be taken: EINVAL, and all is as it was" {
	take saver
	edit
	local text before
	before=$(cat "$MNT/dense/bias.json")
	for text in 'no JSON' ' ' '[1]' '{"dtype": "float33"}' '{"shape": [-1]}' '{"shape": "8"}' \
		'{"shape": [1.5]}' '{"dtype": 3}' '{"byte_order": "middle"}' '{"shape": [8]'; do
		printf '%s' "$text" >new
		echo "# $text"
		fails_with "Invalid argument" cp new "$MNT/dense/bias.json"
		[ "$(cat "$MNT/dense/bias.json")" = "$before" ]
	done
	grep -F dense/bias "$LOG" | grep -F float33
	# truncated and nothing written yet: not judged, and nothing taken
	: >"$MNT/dense/bias.json"
	[ "$(cat "$MNT/dense/bias.json")" = "$before" ]
	[ -z "$(unfinished)" ]
	done_editing
	is dense/bias float32 "[8]"
	sound
}

@test "the JSON of another checkpoint is taken; what is not about type and shape is ignored" {
	take saver
	edit
	jq '.shape = [2, 4] | .nbytes = 7 | .crc32c = "00000000" | .shard = 9 | .offset = 1 |
		.name = "other" | .anything = {}' "$MNT/dense/bias.json" >new
	cp new "$MNT/dense/bias.json"
	done_editing
	sound
	is dense/bias float32 "[2,4]"
	[[ " $(names) " != *" other "* ]]
}

@test "bytes of the other byte order are swapped when they are published" {
	take saver
	edit
	printf '\0\0\0\0\0\0\1\2' >"$MNT/global_step"
	echo '{"byte_order": "big"}' >"$MNT/global_step.json"
	[ "$(od -An -tx1 "$MNT/global_step" | tr -d ' ')" = 0000000000000102 ]
	exec 5<"$MNT/global_step"
	publish
	"$CKPTCTL" cat "$P" global_step | cmp - <(printf '\2\1\0\0\0\0\0\0')
	[ "$(jq -r .byte_order "$MNT/global_step.json")" = little ]
	cmp "$MNT/global_step" <(printf '\2\1\0\0\0\0\0\0')
	exec 5<&-
	done_editing
	sound
}

@test "a big-endian checkpoint is edited in its own order" {
	take big-endian
	edit
	bytes 24 >new
	cp new "$MNT/matrix/float32"
	[ "$(jq -r .byte_order "$MNT/matrix/float32.json")" = big ]
	done_editing
	sound
	has matrix/float32 new
	is matrix/float32 float32 "[2,3]"
}

@test "a new variable: metadata first, or bytes first" {
	take saver
	edit
	bytes 24 1 >a
	bytes 24 2 >b
	echo '{"dtype": "float32", "shape": [2, 3]}' >"$MNT/first.json"
	[ "$(unfinished)" = first ]
	cp a "$MNT/first"
	[ -z "$(unfinished)" ]
	# without metadata nobody can say whether it fits
	cp b "$MNT/second"
	[ "$(unfinished)" = second ]
	run ! publish
	grep second "$LOG"
	echo '{"dtype": "int64", "shape": [3]}' >"$MNT/second.json"
	[ -z "$(unfinished)" ]
	mkdir -p "$MNT/new/scope"
	echo '{"dtype": "uint8", "shape": []}' >"$MNT/new/scope/byte.json"
	printf x >"$MNT/new/scope/byte"
	done_editing
	sound
	is first float32 "[2,3]"
	has first a
	is second int64 "[3]"
	has second b
	is new/scope/byte uint8 "[]"
	has_text new/scope/byte x
}

@test "a new variable with nothing in it" {
	take saver
	edit
	echo '{"dtype": "float64", "shape": [0, 3]}' >"$MNT/none.json"
	: >"$MNT/none"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	is none float64 "[0,3]"
	[ "$("$CKPTCTL" cat "$P" none | wc -c)" = 0 ]
}

@test "a new variable by attributes" {
	command -v setfattr >/dev/null || skip "no setfattr"
	take saver
	edit
	bytes 12 >new
	cp new "$MNT/attributed"
	setfattr -n user.ckptfuse.dtype -v float32 "$MNT/attributed"
	setfattr -n user.ckptfuse.shape -v '[3]' "$MNT/attributed"
	[ -z "$(unfinished)" ]
	setfattr -n user.ckptfuse.shape -v '[4, 2]' "$MNT/dense/bias"
	fails_with "Invalid argument" setfattr -n user.ckptfuse.dtype -v float33 "$MNT/dense/bias"
	fails_with "Invalid argument" setfattr -n user.ckptfuse.shape -v 'x' "$MNT/dense/bias"
	done_editing
	sound
	is attributed float32 "[3]"
	has attributed new
	is dense/bias float32 "[4,2]"
}

@test "cp -a and cp -r from another mount" {
	local other=$BATS_TEST_TMPDIR/other
	mkdir "$other"
	start_ckptfuse "$DATA/alltypes/model.ckpt" "$other"
	take saver
	edit
	cp -a "$other/matrix" "$MNT/copied"
	cp -r "$other/scalar" "$MNT/again"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	local name
	for name in float32 int4 bool string complex128 float8_e5m2; do
		"$CKPTCTL" cat "$DATA/alltypes/model.ckpt" "matrix/$name" >expected
		has "copied/$name" expected
		"$CKPTCTL" cat "$DATA/alltypes/model.ckpt" "scalar/$name" >expected
		has "again/$name" expected
	done
	is copied/float32 float32 "[3,7]"
	is copied/string string "[2,2]"
	is again/int4 int4 "[]"
}

@test "a variable that is made anew has the type that its name had" {
	take saver
	edit
	bytes 32 >new
	rm "$MNT/dense/bias"
	cp new "$MNT/dense/bias"
	[ -z "$(unfinished)" ]
	[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[8]" ]
	rm "$MNT/dense/kernel"
	bytes 5 >short
	fails_with "Invalid argument" cp short "$MNT/dense/kernel"
	[ "$(unfinished)" = dense/kernel ]
	bytes 128 >kernel
	cp kernel "$MNT/dense/kernel"
	# and where its folder was deleted, too
	bytes 192 >other
	rm -r "$MNT/dense_1"
	mkdir -p "$MNT/dense_1/kernel.d"
	cp other "$MNT/dense_1/kernel"
	cp other "$MNT/dense_1/kernel.d/Adam"
	done_editing
	sound
	is dense_1/kernel float32 "[8,6]"
	is dense_1/kernel/Adam float32 "[8,6]"
	is dense/bias float32 "[8]"
	has dense/bias new
	has dense/kernel kernel
}

@test "what is unfinished can be deleted, or taken back" {
	take saver
	edit
	bytes 5 >new
	cp new "$MNT/untyped"
	run ! cp new "$MNT/dense/bias"
	[ "$(unfinished)" = "dense/bias untyped" ]
	rm "$MNT/untyped"
	[ "$(unfinished)" = dense/bias ]
	echo dense/bias >"$MNT/.ckptfuse/discard"
	[ -z "$(unfinished)" ]
	cmp "$MNT/dense/bias" <(start_over dense/bias)
	done_editing
	sound
	[ "$(names)" = "$(names "$DATA/saver/model.ckpt-100")" ]
}

@test "a string scalar is what is written to it" {
	take strings
	edit
	printf 'a new string, longer than the old one' >"$MNT/scalar"
	: >"$MNT/scalar_bytes"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has_text scalar 'a new string, longer than the old one'
	is scalar string "[]"
	has_text scalar_bytes ''
}

@test "a string tensor with lengths in V.json" {
	take strings
	edit
	[ "$(jq -c .shape "$MNT/matrix.json")" = "[2,3]" ]
	echo '{"lengths": [1, 2, 3, 0, 1, 1]}' >"$MNT/matrix.json"
	[ "$(unfinished)" = matrix ]
	printf 'abbcccde' >"$MNT/matrix"
	[ -z "$(unfinished)" ]
	# lengths that cannot be
	echo '{"lengths": [1, 2]}' >new
	fails_with "Invalid argument" cp new "$MNT/matrix.json"
	# a scope's worth of them, made anew
	echo '{"dtype": "string", "shape": [2], "lengths": [3, 3]}' >"$MNT/words.json"
	printf 'onetwo' >"$MNT/words"
	done_editing
	sound
	has_text matrix abbcccde
	[ "$("$CKPTCTL" show "$P" matrix | tr -d '\n' | grep -o "b'[a-e]*'" | tr '\n' ' ')" = \
		"b'a' b'bb' b'ccc' b'' b'd' b'e' " ]
	has_text words onetwo
	is words string "[2]"
}

@test "a partitioned variable is edited through its slices" {
	take sliced
	edit
	local name
	for name in rows2 columns16 grid_3x2 rows3_shards rank4; do
		"$CKPTCTL" cat "$P" "$name" >"$name"
		printf 'sliced' | dd of="$name" bs=1 seek=30 conv=notrunc status=none
		printf 'sliced' | dd of="$MNT/$name" bs=1 seek=30 conv=notrunc status=none
		cmp "$name" "$MNT/$name"
	done
	bytes 36 >rank1
	cp rank1 "$MNT/rank1"
	# a new shape stores it whole
	echo '{"shape": [4, 6]}' >"$MNT/rows2.json"
	done_editing
	sound
	for name in columns16 grid_3x2 rows3_shards rank4 rank1; do
		has "$name" "$name"
		[ "$("$CKPTCTL" ls --json "$P" "$name" | jq '.[0].slices | length')" -gt 1 ]
	done
	has rows2 rows2
	is rows2 float32 "[4,6]"
	"$CKPTCTL" ls --json "$P" rows2 | jq -e '.[0].slices | not'
}

@test "variables in several shards" {
	take shards5
	edit
	local i size
	for i in 0 1 2 3 4; do
		size=$(stat -c %s "$MNT/tower_$i/kernel")
		bytes "$size" "$((i + 1))" >"k$i"
		cp "k$i" "$MNT/tower_$i/kernel"
	done
	mv "$MNT/tower_1/bias" "$MNT/tower_4/moved"
	done_editing
	sound
	for i in 0 1 2 3 4; do
		has "tower_$i/kernel" "k$i"
	done
	"$CKPTCTL" cat "$DATA/shards5/model.ckpt" tower_1/bias >expected
	has tower_4/moved expected
	absent tower_1/bias
}

@test "modes, owners, times and other attributes are kept while it is mounted" {
	take saver
	edit
	local v=$MNT/dense/bias
	[ "$(stat -c %a "$v" "$MNT/dense" | tr '\n' ' ')" = "644 755 " ]
	chmod 600 "$v"
	touch -d '2001-02-03 04:05:06.789' "$v"
	chmod 700 "$MNT/dense"
	[ "$(stat -c '%a %y' "$v" | cut -c 1-27)" = "600 2001-02-03 04:05:06.789" ]
	[ "$(stat -c %a "$MNT/dense")" = 700 ]
	if [ "$(id -u)" = 0 ]; then
		chown 12:34 "$v"
		[ "$(stat -c '%u %g' "$v")" = "12 34" ]
	fi
	if command -v setfattr >/dev/null; then
		setfattr -n user.mine -v 'kept' "$v"
		[ "$(getfattr --only-values -n user.mine "$v")" = kept ]
		getfattr -d -m - "$v" | grep user.mine
		setfattr -x user.mine "$v"
		fails_with "No such attribute" getfattr -n user.mine "$v"
	fi
	touch "$v"
	done_editing
	sound
	# none of it is published
	edit
	[ "$(stat -c %a "$MNT/dense/bias")" = 644 ]
}

@test "umask= and the modes of what is made" {
	take saver
	edit -o umask=027
	[ "$(stat -c %a "$MNT/dense/bias" "$MNT/dense" "$MNT/.ckptfuse/commit" | tr '\n' ' ')" = \
		"640 750 200 " ]
	(
		umask 022
		: >"$MNT/.scratch"
		mkdir "$MNT/folder"
	)
	[ "$(stat -c %a "$MNT/.scratch" "$MNT/folder" | tr '\n' ' ')" = "640 750 " ]
}

@test "checkpoint.json and the attributes say what is staged" {
	take saver
	edit
	rm -r "$MNT/dense_1" "$MNT/dense_2"
	mv "$MNT/dense" "$MNT/layer"
	echo '{"shape": [2, 4]}' >"$MNT/layer/bias.json"
	: >"$MNT/unfinished"
	local file=$MNT/.ckptfuse/checkpoint.json
	[ "$(stat -c %s "$file")" = "$(wc -c <"$file")" ]
	[ "$(jq '.variables | length' "$file")" = "$(jq .count "$file")" ]
	[ "$(jq -r '[.variables[].name] | sort | join(" ")' "$file")" = \
		"beta1_power beta2_power global_step layer/bias layer/bias/Adam layer/bias/Adam_1 layer/kernel layer/kernel/Adam layer/kernel/Adam_1" ]
	[ "$(jq -c '.variables[] | select(.name == "layer/bias") | .shape' "$file")" = "[2,4]" ]
	[ "$(jq .bytes "$file")" = 496 ]
	if command -v getfattr >/dev/null; then
		[ "$(getfattr --only-values -n user.ckptfuse.shape "$MNT/layer/bias" | jq -c .)" = \
			"[2,4]" ]
		[ "$(getfattr --only-values -n user.ckptfuse.name "$MNT/layer/bias")" = layer/bias ]
	fi
	[ "$(jq -r .name "$MNT/layer/bias.json")" = layer/bias ]
}

@test "V.json has its size, and is read anew" {
	take saver
	edit
	exec 5<"$MNT/dense/bias.json"
	echo '{"shape": [2, 2, 2]}' >"$MNT/dense/bias.json"
	[ "$(stat -c %s "$MNT/dense/bias.json")" = "$(wc -c <"$MNT/dense/bias.json")" ]
	[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[2,2,2]" ]
	exec 5<&-
}
