# edit_publish.bats - the writable mount: when edits become the checkpoint, and when not.

load helper
load edit

setup() {
	edit_setup
	take saver
}

teardown() {
	edit_teardown
}

# What the fixture has of a variable.
old() {
	"$CKPTCTL" cat "$DATA/saver/model.ckpt-100" "$1"
}

step() {
	printf '%s' "$1" >"$MNT/global_step"
}

published() {
	has_text global_step "$1"
}

@test "sync of the mount, a write to commit, an unmount" {
	edit
	step 00000001
	sync "$MNT"
	published 00000001
	step 00000002
	echo now >"$MNT/.ckptfuse/commit"
	published 00000002
	[ "$(jq -c .staged "$STATUS")" = "[]" ]
	jq -e .last_publish "$STATUS"
	step 00000003
	umount "$MNT"
	wait_until 10 published 00000003
	wait_until 10 sound
}

@test "the same with one thread" {
	edit -s
	step 00000001
	sync "$MNT"
	published 00000001
	step 00000002
	publish
	published 00000002
	step 00000003
	done_editing
	published 00000003
	sound
}

@test "SIGTERM and SIGINT publish, unmount, exit 0" {
	local signal
	for signal in TERM INT; do
		edit_in_foreground rw
		step "signal$signal"
		printf '12345678' >"$MNT/global_step"
		bytes 32 "${#signal}" >new
		cp new "$MNT/dense/bias"
		kill "-$signal" "$(mount_pid "$MNT")"
		ended 0
		! is_mounted "$MNT"
		has dense/bias new
		sound
	done
}

@test "SIGTERM publishes what is mapped, and what is open" {
	edit_in_foreground rw
	mkfifo fifo
	"$FSOP" mmap "$MNT/global_step" 0 MAPPED00 fifo >/dev/null 2>&1 3>&- &
	local mapper=$!
	exec 4>fifo
	exec 5<>"$MNT/dense/bias"
	printf open >&5
	kill -TERM "$(mount_pid "$MNT")"
	ended 0
	published MAPPED00
	[ "$("$CKPTCTL" cat "$P" dense/bias | head -c 4)" = open ]
	exec 4>&- 5<&- || :
	# its mapping is gone
	wait "$mapper" || :
	sound
}

@test "an end with something unfinished: exit 7, the checkpoint as it was, the journal kept" {
	local index
	index=$(sha256sum <"$P.index")
	edit_in_foreground rw
	bytes 5 >new
	run ! cp new "$MNT/dense/bias"
	step 12345678
	umount "$MNT"
	ended 7
	grep dense/bias "$BATS_TEST_TMPDIR/messages"
	[ "$(sha256sum <"$P.index")" = "$index" ]
	[ -s "$P.ckptfuse-journal" ]
	# and goes on from there
	edit
	[ "$(unfinished)" = dense/bias ]
	cmp new "$MNT/dense/bias"
	[ "$(cat "$MNT/global_step")" = 12345678 ]
	bytes 32 >new
	cp new "$MNT/dense/bias"
	done_editing
	published 12345678
	has dense/bias new
	sound
}

@test "commit=manual: unmount and signals publish nothing" {
	edit -o commit=manual
	step 00000001
	publish
	published 00000001
	step 00000002
	leave
	published 00000001
	[ -s "$P.ckptfuse-journal" ]
	edit_in_foreground rw,commit=manual
	[ "$(cat "$MNT/global_step")" = 00000002 ]
	step 00000003
	kill -TERM "$(mount_pid "$MNT")"
	ended 0
	grep "not published" "$BATS_TEST_TMPDIR/messages"
	published 00000001
	edit
	[ "$(cat "$MNT/global_step")" = 00000003 ]
	publish
	published 00000003
	done_editing
	sound
}

@test "commit=manual: ckptctl umount was asked for, and publishes" {
	edit -o commit=manual
	step 00000001
	done_editing
	published 00000001
	sound
}

@test "commit=N publishes by the clock" {
	edit -o commit=1
	step 00000001
	wait_until 10 published 00000001
	# what is unfinished waits, and is told once
	bytes 5 >new
	run ! cp new "$MNT/dense/bias"
	step 00000002
	wait_until 10 grep -c . "$LOG"
	old dense/bias >"$MNT/dense/bias"
	wait_until 10 published 00000002
	done_editing
	sound
}

@test "a writing text of umount publishes as an unmount would" {
	edit
	step 00000001
	echo umount >"$MNT/.ckptfuse/commit"
	published 00000001
	done_editing
	sound
}

@test "nothing to publish is no failure, and writes nothing" {
	edit
	local before
	before=$(stat -c '%n %s %y %i' "$P".index "$P".data*)
	publish
	sync "$MNT"
	[ "$(stat -c '%n %s %y %i' "$P".index "$P".data*)" = "$before" ]
	: >"$MNT/.scratch"
	publish
	done_editing
	[ "$(stat -c '%n %s %y %i' "$P".index "$P".data*)" = "$before" ]
	sound
}

@test "publishing again and again" {
	edit
	local i size
	for i in {1..30}; do
		bytes 128 "$i" >new
		cp new "$MNT/dense/kernel"
		publish
		has dense/kernel new
	done
	size=$(stat -c %s "$P.data-00000-of-00001")
	# dead bytes are used again
	[ "$size" -lt 4000 ]
	done_editing
	sound
	[ "$(names)" = "$(names "$DATA/saver/model.ckpt-100")" ]
}

@test "what was deleted and made anew stays, whatever is published next" {
	edit
	bytes 72 >new
	rm "$MNT/dense_2/kernel"
	cp new "$MNT/dense_2/kernel"
	rm -r "$MNT/dense_1"
	mkdir "$MNT/dense_1"
	bytes 24 >"$MNT/dense_1/bias"
	echo '{"dtype": "float32", "shape": [6]}' >"$MNT/dense_1/bias.json"
	publish
	[ "$(jq -c .staged "$STATUS")" = "[]" ]
	step 12345678
	[ "$(jq -c '[.staged[].name]' "$STATUS")" = '["global_step"]' ]
	publish
	has dense_2/kernel new
	has dense_1/bias <(bytes 24)
	absent dense_1/kernel
	done_editing
	sound
}

@test "a reader that has it open goes on with what it opened" {
	edit
	local other=$BATS_TEST_TMPDIR/other
	mkdir "$other"
	start_ckptfuse "$P" "$other"
	bytes 128 >new
	cp new "$MNT/dense/kernel"
	publish
	has dense/kernel new
	cmp "$other/dense/kernel" <(old dense/kernel)
	kill -HUP "$(mount_pid "$other")"
	wait_until 10 cmp -s "$other/dense/kernel" new
	done_editing
}

@test "save=PREFIX: a new checkpoint, and the source untouched" {
	local before new=$DIR/saved.ckpt
	before=$(cd "$DIR" && stat -c '%n %s %y %i' -- * && sha256sum -- *)
	edit -o save="$new"
	step 12345678
	mv "$MNT/dense" "$MNT/layer"
	publish
	[ "$("$CKPTCTL" cat "$new" global_step)" = 12345678 ]
	step 87654321
	done_editing
	[ "$(cd "$DIR" && stat -c '%n %s %y %i' model* && sha256sum model*)" = "$before" ]
	sound "$new"
	[ "$("$CKPTCTL" cat "$new" global_step)" = 87654321 ]
	"$CKPTCTL" cat "$new" layer/kernel | cmp - <(old dense/kernel)
	sound "$P"
	# what is there already is not written over
	run -1 start_ckptfuse -o rw,save="$new" "$P" "$MNT"
	[[ $output == *saved.ckpt* ]]
}

@test "save= with a path from where it was started" {
	edit -o save=here.ckpt
	step 12345678
	done_editing
	[ "$("$CKPTCTL" cat here.ckpt global_step)" = 12345678 ]
}

@test "save= into the mount itself is refused" {
	run -6 start_ckptfuse -o rw,save="$MNT/x" "$P" "$MNT"
	[[ $output == *"mount elsewhere"* ]]
}

@test "create=tensorflow: a checkpoint from nothing, by cp -r" {
	local other=$BATS_TEST_TMPDIR/other fixture
	mkdir "$other"
	for fixture in alltypes strings names shapes; do
		start_ckptfuse "$DATA/$fixture/model.ckpt" "$other"
		P=$DIR/$fixture
		edit -o create=tensorflow
		[ "$(find "$MNT" -mindepth 1 ! -path '*/.ckptfuse*')" = "" ]
		cp -r "$other/." "$MNT/"
		[ -z "$(unfinished)" ]
		done_editing
		sound
		[ "$(names)" = "$(names "$DATA/$fixture/model.ckpt")" ]
		edit -o ro
		(cd "$MNT" && sha256sum --quiet -c "$DATA/$fixture/expected.sha256")
		_unmount "$MNT"
		_unmount "$other"
	done
}

@test "create= where nothing is made in the end, or something is there" {
	P=$DIR/nothing
	edit -o create=tensorflow
	done_editing
	[ "$(find "$DIR" -name 'nothing*')" = "" ]
	P=$DIR/model.ckpt
	run -1 start_ckptfuse -o rw,create=tensorflow "$P" "$MNT"
	[[ $output == *model.ckpt* ]]
	[ "${#lines[@]}" = 1 ]
	sound
}

@test "journal=PATH" {
	local command
	mkdir "$BATS_TEST_TMPDIR/fast"
	edit -o commit=manual,journal="$BATS_TEST_TMPDIR/fast/journal"
	step 12345678
	sync "$MNT/global_step"
	[ -s "$BATS_TEST_TMPDIR/fast/journal" ]
	[ -e "$P.ckptfuse-journal" ]
	leave
	# without the option it is found by its pointer
	mv "$BATS_TEST_TMPDIR/fast" "$BATS_TEST_TMPDIR/away"
	run -8 start_ckptfuse -o rw "$P" "$MNT"
	[ "${#lines[@]}" = 1 ]
	# nobody knows what is in it: not even reading is safe
	run -8 start_ckptfuse "$P" "$MNT"
	[ "${#lines[@]}" = 1 ]
	[[ $output == *fast/journal* ]]
	for command in ls verify show; do
		run -8 "$CKPTCTL" "$command" "$P"
	done
	run -2 start_ckptfuse -o rw,journal=/no/where/journal "$DATA/saver/model.ckpt-100" "$MNT"
	[[ $output == *"/no/where"* ]]
	mv "$BATS_TEST_TMPDIR/away" "$BATS_TEST_TMPDIR/fast"
	edit
	[ "$(cat "$MNT/global_step")" = 12345678 ]
	publish
	done_editing
	published 12345678
	sound
	[ ! -e "$BATS_TEST_TMPDIR/fast/journal" ]
}

@test "journal=PATH that is lost: discard gives it up" {
	mkdir "$BATS_TEST_TMPDIR/fast"
	edit -o commit=manual,journal="$BATS_TEST_TMPDIR/fast"
	step 12345678
	sync "$MNT/global_step"
	[ -s "$BATS_TEST_TMPDIR/fast/model.ckpt.ckptfuse-journal" ]
	leave
	rm -r "$BATS_TEST_TMPDIR/fast"
	run -8 "$CKPTCTL" commit "$P"
	"$CKPTCTL" discard "$P"
	sound
	has global_step <(old global_step)
	# it turns up again: of no checkpoint any more, and told so
	mkdir "$BATS_TEST_TMPDIR/fast"
	edit -o commit=manual,journal="$BATS_TEST_TMPDIR/fast"
	step 11111111
	leave
	mv "$P.ckptfuse-journal" pointer
	edit -o journal="$BATS_TEST_TMPDIR/fast"
	step 22222222
	publish
	grep "kept as $BATS_TEST_TMPDIR/fast/model.ckpt.ckptfuse-journal" "$LOG"
	done_editing
	published 22222222
	sound
}

@test "publish=replace and publish=inplace" {
	local how
	for how in replace inplace auto; do
		edit -o "publish=$how"
		old dense/kernel >expected
		printf 'edit' | dd of=expected bs=1 seek=60 conv=notrunc status=none
		printf 'edit' | dd of="$MNT/dense/kernel" bs=1 seek=60 conv=notrunc status=none
		[ "$(jq -r '.publish | [.option, .in_place_bytes, .copy_bytes] | join(" ")' "$STATUS")" = \
			"$([ "$how" = inplace ] && echo "$how 4 0" || echo "$how 0 128")" ]
		publish
		[ "$(jq -r .last_publish.how "$STATUS")" = \
			"$([ "$how" = inplace ] && echo "in place" || echo replace)" ]
		cmp expected "$MNT/dense/kernel"
		done_editing
		has dense/kernel expected
		sound
		rm "$P".*
		take saver
	done
}

@test "killed after a sync: the edits are staged again, and wait" {
	edit
	local index
	index=$(sha256sum <"$P.index")
	step 12345678
	rm -r "$MNT/dense_1"
	mv "$MNT/dense" "$MNT/layer"
	sync "$MNT/global_step"
	crash
	[ "$(sha256sum <"$P.index")" = "$index" ]
	# a read-only mount shows the checkpoint, and says so
	mount_ckpt "$P"
	cmp "$MNT/global_step" <(old global_step)
	jq -e '.pending | length > 10' "$MNT/.ckptfuse/status.json"
	grep . "$MNT/.ckptfuse/log"
	_unmount "$MNT"
	# to look does not publish
	edit
	[ "$(cat "$MNT/global_step")" = 12345678 ]
	[ ! -e "$MNT/dense_1" ]
	cmp "$MNT/layer/kernel" <(old dense/kernel)
	[ "$(jq .recovered "$STATUS")" = true ]
	done_editing
	[ "$(sha256sum <"$P.index")" = "$index" ]
	edit
	publish
	published 12345678
	has layer/kernel <(old dense/kernel)
	done_editing
	sound
}

@test "recovered edits are published along with new ones" {
	edit
	step 12345678
	sync "$MNT/global_step"
	crash
	edit
	bytes 32 >new
	cp new "$MNT/dense/bias"
	done_editing
	published 12345678
	has dense/bias new
	sound
}

@test "a rename onto a variable is durable when it returns" {
	edit
	bytes 32 >new
	cp new "$MNT/dense/.tmp"
	mv "$MNT/dense/.tmp" "$MNT/dense/bias"
	crash
	edit
	cmp new "$MNT/dense/bias"
	publish
	done_editing
	has dense/bias new
	sound
}

@test "discard: all, by path, by name" {
	edit
	step 12345678
	bytes 32 >"$MNT/dense/bias"
	bytes 128 >"$MNT/dense/kernel.d/Adam"
	rm "$MNT/beta1_power"
	: >"$MNT/new"
	# by the path that is shown
	echo dense/bias >"$MNT/.ckptfuse/discard"
	cmp "$MNT/dense/bias" <(old dense/bias)
	[ "$(cat "$MNT/global_step")" = 12345678 ]
	# by the variable's name, and two at once
	printf '%s\n' dense/kernel/Adam new >"$MNT/.ckptfuse/discard"
	cmp "$MNT/dense/kernel.d/Adam" <(old dense/kernel/Adam)
	[ ! -e "$MNT/new" ]
	# what was deleted is there again
	echo beta1_power >"$MNT/.ckptfuse/discard"
	cmp "$MNT/beta1_power" <(old beta1_power)
	fails_with "No such file" tee "$MNT/.ckptfuse/discard" <<<nothing/like/that
	grep -F nothing/like/that "$LOG"
	mv "$MNT/dense_1" "$MNT/moved"
	echo >"$MNT/.ckptfuse/discard"
	[ -d "$MNT/dense_1" ]
	[ ! -e "$MNT/moved" ]
	cmp "$MNT/global_step" <(old global_step)
	[ "$(jq -c '[.staged, .unfinished]' "$STATUS")" = '[[],[]]' ]
	local word
	for word in 1 y yes all '*' '  '; do
		step 12345678
		rm "$MNT/dense_2/kernel"
		# a name that is mistyped does not mean all
		fails_with "No such file" tee "$MNT/.ckptfuse/discard" <<<x
		fails_with "No such file" tee "$MNT/.ckptfuse/discard" <<<$'x\n1'
		[ "$(cat "$MNT/global_step")" = 12345678 ]
		echo "$word" >"$MNT/.ckptfuse/discard"
		cmp "$MNT/global_step" <(old global_step)
		[ "$(jq -c .staged "$STATUS")" = '[]' ]
	done
	# unless it is one
	: >"$MNT/1"
	step 12345678
	echo 1 >"$MNT/.ckptfuse/discard"
	[ ! -e "$MNT/1" ]
	[ "$(cat "$MNT/global_step")" = 12345678 ]
	echo 1 >"$MNT/.ckptfuse/discard"
	done_editing
	sound
	published "$(old global_step | tr -d '\0')" || has global_step <(old global_step)
	[ "$(sha256sum <"$P.index")" = "$(sha256sum <"$DATA/saver/model.ckpt-100.index")" ]
}

@test "discard in a folder that was deleted and made anew, or renamed" {
	edit
	cp -r "$MNT/dense" copy
	rm -r "$MNT/dense"
	cp -r copy "$MNT/dense"
	bytes 32 >"$MNT/dense/bias"
	bytes 32 >"$MNT/dense/bias.d/Adam"
	[ "$(jq -r '.staged[].edit' "$STATUS" | sort -u)" = replaced ]
	"$CKPTCTL" discard "$MNT" dense/bias dense/kernel/Adam
	cmp "$MNT/dense/bias" <(old dense/bias)
	cmp "$MNT/dense/bias.d/Adam" <(bytes 32)
	[ "$(jq -c '[.staged[].name]' "$STATUS")" = \
		'["dense/bias/Adam","dense/bias/Adam_1","dense/kernel","dense/kernel/Adam_1"]' ]
	sync "$MNT/global_step"
	crash
	edit
	[ "$(jq -c '[.staged[].name]' "$STATUS")" = \
		'["dense/bias/Adam","dense/bias/Adam_1","dense/kernel","dense/kernel/Adam_1"]' ]
	cmp "$MNT/dense/bias.d/Adam" <(bytes 32)
	# the folder itself, with what is new in it
	: >"$MNT/dense/new"
	echo dense >"$MNT/.ckptfuse/discard"
	[ "$(jq -c .staged "$STATUS")" = "[]" ]
	[ ! -e "$MNT/dense/new" ]
	cmp "$MNT/dense/bias.d/Adam" <(old dense/bias/Adam)
	# by the name that it has where it is published
	mv "$MNT/dense" "$MNT/layer"
	rm "$MNT/layer/bias"
	"$CKPTCTL" discard "$MNT" dense/bias
	cmp "$MNT/layer/bias" <(old dense/bias)
	[ "$(jq -c '[.staged[].name]' "$STATUS")" = '["layer/"]' ]
	echo all >"$MNT/.ckptfuse/discard"
	done_editing
	sound
	[ "$(sha256sum <"$P.index")" = "$(sha256sum <"$DATA/saver/model.ckpt-100.index")" ]
}

@test "discard what has been written to, and go on" {
	edit
	bytes 32 >"$MNT/dense/bias"
	bytes 32 >"$MNT/dense/bias.d/Adam"
	echo dense/bias >"$MNT/.ckptfuse/discard"
	# what follows is written down after what was written before
	step 12345678
	mkdir "$MNT/folder"
	sync "$MNT/global_step"
	[ "$(jq -c '[.staged[].name]' "$STATUS")" = '["dense/bias/Adam","global_step"]' ]
	crash
	edit
	[ "$(jq -c '[.staged[].name]' "$STATUS")" = '["dense/bias/Adam","global_step"]' ]
	publish
	has dense/bias <(old dense/bias)
	has dense/bias/Adam <(bytes 32)
	done_editing
	sound
}

@test "discard while a file is open and cached" {
	edit
	exec 5<"$MNT/dense/kernel"
	bytes 128 >new
	cp new "$MNT/dense/kernel"
	cmp new "$MNT/dense/kernel"
	echo >"$MNT/.ckptfuse/discard"
	cmp - <(old dense/kernel) <&5
	cmp "$MNT/dense/kernel" <(old dense/kernel)
	exec 5<&-
}

@test "status.json says what is staged" {
	edit
	[ "$(jq -c '[.mode, .staged, .unfinished, .recovered]' "$STATUS")" = '["rw",[],[],false]' ]
	[ "$(jq -r .source "$STATUS")" = "$P" ]
	[ "$(jq -r .mountpoint "$STATUS")" = "$(realpath "$MNT")" ]
	[ "$(jq .pid "$STATUS")" = "$(mount_pid "$MNT")" ]
	bytes 32 >"$MNT/dense/bias"
	mv "$MNT/dense_1/bias" "$MNT/moved"
	rm "$MNT/beta1_power"
	# writers that make it anew, or rename over it, replace one variable
	bytes 12 >"$MNT/.new"
	mv "$MNT/.new" "$MNT/dense_2/bias"
	rm "$MNT/dense_2/kernel"
	bytes 72 >"$MNT/dense_2/kernel"
	[ "$(jq -r '.staged[] | "\(.name) \(.edit)"' "$STATUS")" = "beta1_power deleted
dense/bias changed
dense_2/bias replaced
dense_2/kernel replaced
moved renamed" ]
	[ "$(jq -r '.staged[] | select(.name == "moved").from' "$STATUS")" = dense_1/bias ]
	[ "$(jq -r .publish.will "$STATUS")" = "append, then replace the index" ]
	[ "$(stat -c %s "$STATUS")" = "$(wc -c <"$STATUS")" ]
	publish
	[ "$(jq -c .staged "$STATUS")" = "[]" ]
	[ "$(jq .last_publish.variables "$STATUS")" = 5 ]
	rm "$MNT/global_step"
	[ "$(jq -r .publish.will "$STATUS")" = "replace the index" ]
	[ "$(find "$MNT/.ckptfuse" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ')" = \
		"checkpoint.json commit discard log status.json " ]
	done_editing
}

@test "another program changed the checkpoint: ESTALE, and the journal is kept" {
	edit
	step 12345678
	"$CKPTCTL" umount "$MNT"
	edit_in_foreground rw
	step 87654321
	cp "$DATA/saver/model.ckpt-99.data-00000-of-00001" "$P.new"
	mv "$P.new" "$P.data-00000-of-00001"
	cp "$DATA/saver/model.ckpt-99.index" "$P.new"
	mv "$P.new" "$P.index"
	kill -HUP "$(mount_pid "$MNT")"
	wait_until 10 grep "another program" "$LOG"
	fails_with ESTALE "$FSOP" dirsync "$MNT"
	cmp "$P.index" "$DATA/saver/model.ckpt-99.index"
	umount "$MNT"
	ended 7
	cmp "$P.index" "$DATA/saver/model.ckpt-99.index"
	# the next one sets it aside, and says where
	edit
	[ "$(od -An -td8 "$MNT/global_step" | tr -d ' ')" = 99 ]
	grep "journal" "$LOG"
	done_editing
}

@test "a second writer is refused, and told who is there; readers are not" {
	edit
	mkdir other
	run -8 start_ckptfuse -o rw "$P" other
	[ "${#lines[@]}" = 1 ]
	[[ $output == *"$MNT"* ]]
	run -8 start_ckptfuse -o rw "$P.index" other
	start_ckptfuse "$P" other
	[ -f other/global_step ]
	_unmount "$PWD/other"
	done_editing
	start_ckptfuse -o rw "$P" other
	_unmount "$PWD/other"
}

@test "a read-only mount beside an unmounted journal writes nothing" {
	edit -o commit=manual
	step 12345678
	leave
	[ -s "$P.ckptfuse-journal" ]
	local before
	before=$(cd "$DIR" && stat -c '%n %s %y %i' -- * && sha256sum -- *)
	mount_ckpt "$P"
	cmp "$MNT/global_step" <(old global_step)
	fails_with "Read-only" touch "$MNT/x"
	[[ $(findmnt -rno OPTIONS "$MNT") == ro,* ]]
	[ "$(stat -c %a "$MNT/global_step")" = 444 ]
	_unmount "$MNT"
	[ "$(cd "$DIR" && stat -c '%n %s %y %i' -- * && sha256sum -- *)" = "$before" ]
}

@test "a folder of the tree as the root, and another separator" {
	edit -o subdir=dense/kernel.d
	bytes 128 >new
	cp new "$MNT/Adam"
	mv "$MNT/Adam_1" "$MNT/second"
	done_editing
	sound
	has dense/kernel/Adam new
	has dense/kernel/second <(old dense/kernel/Adam_1)
	edit -o sep=_
	[ -f "$MNT/beta1/power" ]
	mv "$MNT/beta1/power" "$MNT/beta1/other"
	done_editing
	sound
	has beta1_other <(old beta1_power)
}

@test "a SavedModel's folder" {
	cp -r "$DATA/savedmodel" sm
	chmod -R u+w sm
	P=$PWD/sm
	edit
	local file
	file=$(find "$MNT" -type f ! -path '*/.ckptfuse/*' ! -name '*.json' -size +0 | sort | head -n 1)
	bytes "$(stat -c %s "$file")" >new
	cp new "$file" || :
	echo "${file#"$MNT/"}" >"$MNT/.ckptfuse/discard"
	done_editing
	"$CKPTCTL" verify "$P"
}

@test "mount points in the way are refused before anything is written" {
	run -6 start_ckptfuse -o rw "$P" "$DIR"
	[[ $output == *"holds the source"* ]]
	run -2 start_ckptfuse -o rw "$DIR/nothing" "$MNT"
	run -2 start_ckptfuse -o rw,subdir=no/where "$P" "$MNT"
	sound
}

@test "a mount point that is left out" {
	start_ckptfuse -o rw "$P"
	[ "$(jq -r .mode model.ckpt.mnt/.ckptfuse/status.json)" = rw ]
	printf '12345678' >model.ckpt.mnt/global_step
	"$CKPTCTL" umount model.ckpt.mnt
	published 12345678
	wait_until 10 test ! -e model.ckpt.mnt
}

@test "a variable that is made anew outlives the publishes after the first" {
	edit
	bytes 32 >new
	rm "$MNT/dense/bias"
	cp new "$MNT/dense/bias"
	publish
	has dense/bias new
	step 00000001
	publish
	has dense/bias new
	rm "$MNT/dense/bias"
	echo '{"dtype": "float32", "shape": [2, 4]}' >"$MNT/dense/bias.json"
	cp new "$MNT/dense/bias"
	publish
	step 00000002
	done_editing
	has dense/bias new
	is dense/bias float32 "[2,4]"
	sound
}

@test "a deleted V.json that is written is that of the name it had" {
	edit
	mv "$MNT/dense/bias" "$MNT/dense/other"
	mv "$MNT/dense/other" "$MNT/moved"
	# both names have one that has gone, of the same variable
	echo '{"dtype": "uint8", "shape": [5]}' >"$MNT/dense/other.json"
	printf other >"$MNT/dense/other"
	echo '{"dtype": "uint8", "shape": [3]}' >"$MNT/dense/bias.json"
	printf new >"$MNT/dense/bias"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has_text dense/other other
	has_text dense/bias new
	has moved <(old dense/bias)
}
