# edit_names.bats - the writable mount: names that are made, deleted and moved.

load helper
load edit

setup() {
	edit_setup
	take saver
	edit
}

teardown() {
	edit_teardown
}

# What the fixture has of a variable.
old() {
	"$CKPTCTL" cat "$DATA/saver/model.ckpt-100" "$1"
}

# listed FOLDER: its entries, one line.
listed() {
	find "$1" -mindepth 1 -maxdepth 1 ! -name .ckptfuse -printf '%f\n' | LC_ALL=C sort |
		tr '\n' ' '
}

@test "mv of a variable: its metadata goes along" {
	mv "$MNT/dense/bias" "$MNT/moved"
	[ "$(jq -c '[.name, .dtype, .shape]' "$MNT/moved.json")" = '["moved","float32",[8]]' ]
	[ ! -e "$MNT/dense/bias" ]
	cmp "$MNT/moved" <(old dense/bias)
	# its slots are another's
	[ -f "$MNT/dense/bias.d/Adam" ]
	done_editing
	sound
	absent dense/bias
	is moved float32 "[8]"
	has moved <(old dense/bias)
	has dense/bias/Adam <(old dense/bias/Adam)
}

@test "mv of a scope renames all that is in it" {
	# what has been looked at closely, and what has not
	chmod 600 "$MNT/dense/kernel.d/Adam"
	mv "$MNT/dense" "$MNT/encoder"
	mkdir "$MNT/decoder"
	mv "$MNT/dense_1" "$MNT/decoder/first"
	mv "$MNT/dense_2/kernel.d" "$MNT/decoder/slots"
	[ "$(jq -r .name "$MNT/encoder/kernel.d/Adam.json")" = encoder/kernel/Adam ]
	[ "$(jq -r .name "$MNT/encoder/kernel.d/Adam_1.json")" = encoder/kernel/Adam_1 ]
	done_editing
	sound
	[ "$(names)" = "$(old_names | sed -e 's,\bdense/,encoder/,g' -e 's,\bdense_1/,decoder/first/,g' \
		-e 's,dense_2/kernel/Adam,decoder/slots/Adam,g' | tr ' ' '\n' | LC_ALL=C sort |
		tr '\n' ' ' | sed 's/ $//')" ]
	has encoder/kernel/Adam_1 <(old dense/kernel/Adam_1)
	has decoder/first/bias <(old dense_1/bias)
	has decoder/slots/Adam <(old dense_2/kernel/Adam)
	has dense_2/kernel <(old dense_2/kernel)
}

old_names() {
	names "$DATA/saver/model.ckpt-100"
}

@test "renames one after the other" {
	mv "$MNT/dense" "$MNT/a"
	mv "$MNT/a/kernel" "$MNT/a/weights"
	mv "$MNT/a" "$MNT/b"
	mv "$MNT/dense_1" "$MNT/dense"
	mv "$MNT/b/weights" "$MNT/dense/extra"
	done_editing
	sound
	has dense/extra <(old dense/kernel)
	has dense/kernel <(old dense_1/kernel)
	has b/bias <(old dense/bias)
	has b/kernel/Adam <(old dense/kernel/Adam)
	absent b/weights
	absent dense_1/kernel
}

@test "mv V V.json d/: V.json may come after V" {
	mkdir "$MNT/d"
	mv "$MNT/dense/bias" "$MNT/dense/bias.json" "$MNT/d/"
	[ "$(listed "$MNT/d")" = "bias bias.json " ]
	[ "$(listed "$MNT/dense")" = "bias.d kernel kernel.d kernel.json " ]
	# and before it
	mv "$MNT/dense/kernel.json" "$MNT/dense/kernel" "$MNT/d/"
	[ "$(listed "$MNT/d")" = "bias bias.json kernel kernel.json " ]
	done_editing
	sound
	is d/bias float32 "[8]"
	is d/kernel float32 "[4,8]"
	has d/kernel <(old dense/kernel)
	absent dense/kernel
}

@test "rm V V.json, and rm V.json V" {
	rm "$MNT/dense/bias" "$MNT/dense/bias.json"
	rm "$MNT/dense/kernel.json" "$MNT/dense/kernel"
	[ "$(listed "$MNT/dense")" = "bias.d kernel.d " ]
	# not twice
	fails_with "No such file" rm "$MNT/dense/bias"
	# V.json comes back when V does
	old dense/kernel >new
	cp new "$MNT/dense/kernel"
	[ "$(jq -c .shape "$MNT/dense/kernel.json")" = "[4,8]" ]
	done_editing
	sound
	absent dense/bias
	has dense/kernel new
	has dense/bias/Adam <(old dense/bias/Adam)
}

@test "rm V alone: V.json is not listed any more" {
	rm "$MNT/dense/bias"
	[ "$(listed "$MNT/dense")" = "bias.d kernel kernel.d kernel.json " ]
	rm "$MNT/dense/bias.json"
	done_editing
	absent dense/bias
}

@test "a variable that moves on leaves no V.json that is another's" {
	cd "$MNT"
	mv dense/bias aside
	mv aside dense_1/bias
	rm dense_1/bias
	echo '{"dtype": "uint8", "shape": [2]}' >aside.json
	printf 'ab' >aside
	[ "$(jq -c .shape aside.json)" = "[2]" ]
	[ ! -e dense_1/bias ]
	cd "$BATS_TEST_TMPDIR"
	done_editing
	sound
	is aside uint8 "[2]"
	absent dense_1/bias
}

@test "rm -r of a scope, and of everything" {
	rm -r "$MNT/dense"
	[ ! -e "$MNT/dense" ]
	fails_with "Directory not empty" rmdir "$MNT/dense_1"
	publish
	[ "$(names | grep -c 'dense/')" = 0 ]
	has dense_1/kernel <(old dense_1/kernel)
	rm -r "${MNT:?}"/*
	[ "$(listed "$MNT")" = "" ]
	done_editing
	sound
	[ -z "$(names)" ]
}

@test "a variable is replaced by one that is moved onto it" {
	mv "$MNT/dense_2/bias" "$MNT/dense/bias"
	[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[3]" ]
	cmp "$MNT/dense/bias" <(old dense_2/bias)
	done_editing
	sound
	absent dense_2/bias
	is dense/bias float32 "[3]"
	has dense/bias <(old dense_2/bias)
}

@test "a temporary file that is moved onto a variable takes its type" {
	local temp
	bytes 32 >new
	for temp in .bias.tmp bias.new bias~ '#bias#' bias.swp; do
		cp new "$MNT/dense/$temp"
		mv "$MNT/dense/$temp" "$MNT/dense/bias"
		[ -z "$(unfinished)" ]
		cmp new "$MNT/dense/bias"
		bytes 32 "$RANDOM" >new
	done
	cp new "$MNT/dense/.x"
	mv "$MNT/dense/.x" "$MNT/dense/bias"
	[ "$(listed "$MNT/dense")" = "bias bias.d bias.json kernel kernel.d kernel.json " ]
	# of another size
	bytes 9 >short
	cp short "$MNT/dense/.x"
	mv "$MNT/dense/.x" "$MNT/dense/kernel"
	[ "$(unfinished)" = dense/kernel ]
	echo '{"dtype": "uint8", "shape": [9]}' >"$MNT/dense/kernel.json"
	done_editing
	sound
	is dense/bias float32 "[8]"
	has dense/bias new
	has dense/kernel short
}

@test "a temporary file that is moved onto V.json counts as written there" {
	echo '{"shape": [2, 4]}' >"$MNT/dense/.bias.json.tmp"
	mv "$MNT/dense/.bias.json.tmp" "$MNT/dense/bias.json"
	[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[2,4]" ]
	echo 'no JSON' >"$MNT/dense/.bias.json.tmp"
	# (mv has words of its own for this errno)
	fails_with EINVAL "$FSOP" rename "$MNT/dense/.bias.json.tmp" "$MNT/dense/bias.json"
	grep -F dense/bias.json "$LOG"
	[ "$(jq -c .shape "$MNT/dense/bias.json")" = "[2,4]" ]
	rm -f "$MNT/dense/.bias.json.tmp"
	done_editing
	sound
	is dense/bias float32 "[2,4]"
}

@test "a variable that is moved to a backup's name is deleted, and can be had back" {
	mv "$MNT/dense/bias" "$MNT/dense/bias~"
	[ ! -e "$MNT/dense/bias" ]
	cmp "$MNT/dense/bias~" <(old dense/bias)
	publish
	absent dense/bias
	bytes 32 >new
	cp new "$MNT/dense/bias"
	[ -z "$(unfinished)" ]
	publish
	has dense/bias new
	mv "$MNT/dense/bias~" "$MNT/dense/bias"
	done_editing
	sound
	has dense/bias <(old dense/bias)
	is dense/bias float32 "[8]"
}

@test "scratch files are ordinary files, and never published" {
	local name
	for name in .hidden x~ x.swp '#x#' .x.json; do
		bytes 5000 >"$MNT/dense/$name"
		[ "$(wc -c <"$MNT/dense/$name")" = 5000 ]
		[ ! -e "$MNT/dense/$name.json" ]
	done
	truncate -s 100000 "$MNT/dense/.hidden"
	echo more >>"$MNT/dense/x~"
	[ "$(tail -c 5 "$MNT/dense/x~")" = more ]
	[ -z "$(unfinished)" ]
	mv "$MNT/dense/.hidden" "$MNT/.moved"
	rm "$MNT/dense/x.swp"
	publish
	# they are still there
	[ "$(stat -c %s "$MNT/.moved")" = 100000 ]
	done_editing
	sound
	[ "$(names)" = "$(old_names)" ]
}

@test "mkdir and rmdir; an empty folder is not published" {
	mkdir "$MNT/empty" "$MNT/empty/inner"
	fails_with "File exists" mkdir "$MNT/empty"
	fails_with "File exists" mkdir "$MNT/dense"
	fails_with "Directory not empty" rmdir "$MNT/empty"
	[ -d "$MNT/empty/inner" ]
	publish
	[ -d "$MNT/empty/inner" ]
	rmdir "$MNT/empty/inner"
	fails_with "Not a directory" rmdir "$MNT/global_step"
	fails_with "Is a directory" rm "$MNT/empty"
	# a folder outlives what was in it
	rm "$MNT/dense_2/kernel.d/"*
	[ -d "$MNT/dense_2/kernel.d" ]
	rmdir "$MNT/dense_2/kernel.d"
	[ ! -e "$MNT/dense_2/kernel.d" ]
	done_editing
	sound
	absent dense_2/kernel/Adam
	edit
	[ ! -e "$MNT/empty" ]
}

@test "a folder keeps its spelling; mv foo foo.d makes room for foo" {
	rm "$MNT/dense/kernel"
	[ -d "$MNT/dense/kernel.d" ]
	[ "$(listed "$MNT/dense")" = "bias bias.d bias.json kernel.d " ]
	mv "$MNT/dense" "$MNT/dense.d"
	[ "$(listed "$MNT")" = "beta1_power beta1_power.json beta2_power beta2_power.json dense.d dense_1 dense_2 global_step global_step.json " ]
	[ ! -e "$MNT/dense" ]
	"$FSOP" rename "$MNT/dense_1" "$MNT/dense_1.d"
	[ -d "$MNT/dense_1.d/kernel.d" ]
	mv "$MNT/dense_1.d" "$MNT/dense_1"
	bytes 4 >new
	cp new "$MNT/dense"
	echo '{"dtype": "float32", "shape": []}' >"$MNT/dense.json"
	[ -f "$MNT/dense.d/bias" ]
	done_editing
	sound
	has dense new
	has dense/bias <(old dense/bias)
	has dense/kernel/Adam <(old dense/kernel/Adam)
}

@test "names that have to be spelt otherwise" {
	echo '{"dtype": "uint8", "shape": [1]}' >new
	local file
	for file in 'w%2Ejson' '%2Ehidden' 'x%7E' 'a b' 'f%2Ed'; do
		cp new "$MNT/$file.json"
		printf x >"$MNT/$file"
	done
	[ "$(jq -r .name "$MNT/w%2Ejson.json")" = w.json ]
	mkdir "$MNT/%-"
	cp new "$MNT/%-/under.json"
	printf x >"$MNT/%-/under"
	fails_with "Invalid argument" touch "$MNT/100%"
	fails_with "Invalid argument" mkdir "$MNT/%41"
	fails_with "Invalid argument" mv "$MNT/global_step" "$MNT/%zz"
	grep -F '100%' "$LOG"
	fails_with "File name too long" touch "$MNT/$(printf 'x%.0s' {1..256})"
	done_editing
	sound
	[ "$(names | tr ' ' '\n' | grep -cx 'w\.json\|\.hidden\|x~\|f\.d\|/under')" = 5 ]
	has_text 'a b' x
}

@test "rename flags: no replacing, and exchange" {
	fails_with EEXIST "$FSOP" rename "$MNT/dense/bias" "$MNT/dense/kernel" noreplace
	"$FSOP" rename "$MNT/dense/bias" "$MNT/free" noreplace
	"$FSOP" rename "$MNT/dense_1/kernel" "$MNT/dense_2/kernel" exchange
	[ "$(jq -c .shape "$MNT/dense_1/kernel.json")" = "[6,3]" ]
	fails_with ENOENT "$FSOP" rename "$MNT/global_step" "$MNT/nothing" exchange
	done_editing
	sound
	has free <(old dense/bias)
	has dense_1/kernel <(old dense_2/kernel)
	has dense_2/kernel <(old dense_1/kernel)
	is dense_2/kernel float32 "[8,6]"
	has dense_1/kernel/Adam <(old dense_1/kernel/Adam)
}

@test "rename: what POSIX says" {
	mkdir "$MNT/empty"
	fails_with ENOTEMPTY "$FSOP" rename "$MNT/dense" "$MNT/dense_1"
	fails_with ENOTDIR "$FSOP" rename "$MNT/dense" "$MNT/global_step"
	fails_with EISDIR "$FSOP" rename "$MNT/global_step" "$MNT/empty"
	fails_with EINVAL "$FSOP" rename "$MNT/dense" "$MNT/dense/inside"
	fails_with ENOENT "$FSOP" rename "$MNT/nothing" "$MNT/x"
	"$FSOP" rename "$MNT/dense" "$MNT/dense"
	"$FSOP" rename "$MNT/global_step" "$MNT/global_step"
	# a folder onto an empty one
	"$FSOP" rename "$MNT/dense" "$MNT/empty"
	[ -f "$MNT/empty/bias" ]
	done_editing
	sound
	has empty/kernel/Adam <(old dense/kernel/Adam)
}

@test "links, symlinks and devices: EPERM, and a line that says why" {
	fails_with "Operation not permitted" ln "$MNT/global_step" "$MNT/hard"
	grep -F '"hard"' "$LOG"
	fails_with "Operation not permitted" ln -s x "$MNT/soft"
	grep -F '"soft"' "$LOG"
	fails_with "Operation not permitted" mkfifo "$MNT/pipe"
	grep -F '"pipe"' "$LOG"
}

@test ".ckptfuse stays as it is" {
	fails_with "Operation not permitted" rmdir "$MNT/.ckptfuse"
	fails_with "Operation not permitted" mv "$MNT/.ckptfuse" "$MNT/other"
	fails_with "Operation not permitted" rm "$MNT/.ckptfuse/log"
	fails_with "Operation not permitted" touch "$MNT/.ckptfuse/new"
	fails_with "Operation not permitted" mkdir "$MNT/.ckptfuse/new"
	fails_with EPERM "$FSOP" rename "$MNT/global_step" "$MNT/.ckptfuse/log"
	fails_with EPERM "$FSOP" rename "$MNT/.ckptfuse/log" "$MNT/log"
	fails_with "File exists" mkdir "$MNT/.ckptfuse"
	[ "$(listed "$MNT/.ckptfuse")" = "checkpoint.json commit discard log status.json " ]
	# elsewhere the name is a scratch file's
	: >"$MNT/dense/.ckptfuse"
	grep -F .ckptfuse "$LOG"
	# a whole tree can be copied in
	mkdir copy
	cp -r "$MNT/.ckptfuse" copy
	cp -r copy/.ckptfuse "$MNT"
	cp -a copy/.ckptfuse "$MNT"
	[ "$(jq -r .mode "$STATUS")" = rw ]
}

@test "the listing: natural order, V.json before V and with the lower number" {
	local file
	for file in layer10 layer2 layer1; do
		echo '{"dtype": "uint8", "shape": [1]}' >"$MNT/$file.json"
		printf x >"$MNT/$file"
	done
	mkdir "$MNT/alpha"
	run -0 ls -fA "$MNT"
	[ "$(grep -vx '\.\{1,2\}' <<<"$output" | tr '\n' ' ')" = \
		".ckptfuse alpha beta1_power.json beta1_power beta2_power.json beta2_power dense dense_1 dense_2 global_step.json global_step layer1.json layer1 layer2.json layer2 layer10.json layer10 " ]
	while read -r file; do
		[ "$(stat -c %i "$file.json")" -lt "$(stat -c %i "$file")" ]
	done < <(find "$MNT" -type f ! -name '*.json' ! -path '*/.ckptfuse/*')
	[ -z "$(find "$MNT" -printf '%i\n' | sort | uniq -d)" ]
	find "$MNT" -mindepth 1 -printf '%i %p\n' | while read -r ino path; do
		[ "$(stat -c %i "$path")" = "$ino" ]
	done
	[ "$(stat -c %h "$MNT")" = 7 ]
	[ "$(stat -c %h "$MNT/dense")" = 4 ]
}

@test "a shell that stands in a folder which is moved or deleted" {
	cd "$MNT/dense"
	mv "$MNT/dense" "$MNT/moved"
	cmp bias "$MNT/moved/bias"
	printf '12345678' >"../global_step"
	cd kernel.d
	rm -r "$MNT/moved"
	fails_with "No such file" cat Adam
	fails_with "No such file" touch new
	cd "$BATS_TEST_TMPDIR/work"
	done_editing
	sound
	has_text global_step 12345678
}

@test "thousands of names: deleted, renamed and made" {
	done_editing
	rm "$P".*
	take many6000
	edit -o 'sep= '
	local before
	before=$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' | wc -l)
	[ "$before" = 6000 ]
	find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' | sort | head -n 3000 |
		tr '\n' '\0' | xargs -0 rm
	[ "$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' | wc -l)" = 3000 ]
	mkdir "$MNT/made"
	local i
	echo '{"dtype": "uint8", "shape": [1]}' >json
	for i in {1..200}; do
		cp json "$MNT/made/v$i.json"
		printf x >"$MNT/made/v$i"
	done
	done_editing
	sound
	[ "$("$CKPTCTL" ls --json "$P" | jq length)" = 3200 ]
	has_text "made v77" x
}
