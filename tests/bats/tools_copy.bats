# tools_copy.bats - the writable mount under tools that copy, move and unpack: cp, rsync, tar,
# install, mv, rm, and a container. tools.bats has editors and the shell.

load helper
load edit

setup() {
	edit_setup
	OTHER=$BATS_TEST_TMPDIR/other
	mkdir "$OTHER"
}

teardown() {
	if [ -n "${PLACE-}" ]; then
		rm -rf "$PLACE"
	fi
	edit_teardown
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip "no $tool"
	done
}

# other FIXTURE: a checkpoint to copy from, mounted read-only.
other() {
	local index
	for index in "$DATA/$1"/model.ckpt*.index; do
		[[ $index == *model.ckpt-99* ]] || break
	done
	FROM=${index%.index}
	start_ckptfuse "$FROM" "$OTHER"
}

# same_as PREFIX [NAME...]: the published checkpoint has the variables of that one, all or those
# named, and their bytes, types and shapes.
same_as() {
	local from=$1 name
	shift
	[ $# -gt 0 ] || mapfile -t < <("$CKPTCTL" ls --json "$from" | jq -r '.[].name')
	[ $# -eq 0 ] || MAPFILE=("$@")
	[ "${#MAPFILE[@]}" -gt 0 ]
	for name in "${MAPFILE[@]}"; do
		"$CKPTCTL" cat "$from" "$name" >"$BATS_TEST_TMPDIR/theirs"
		has "$name" "$BATS_TEST_TMPDIR/theirs"
	done
	cmp <(types "$from" "$@") <(types "$P" "$@")
}

types() {
	local prefix=$1
	shift
	"$CKPTCTL" ls --json "$prefix" "$@" |
		jq -c 'sort_by(.name) | .[] | [.name, .dtype, .shape, .lengths]'
}

# What the fixture has of a variable.
old() {
	"$CKPTCTL" cat "$DATA/saver/model.ckpt-100" "$1"
}

@test "rsync -a of a tree from another mount, into nothing" {
	need rsync
	other saver
	P=$DIR/new
	edit -o create=tensorflow
	rsync -a "$OTHER/" "$MNT/" --exclude=/.ckptfuse
	[ -z "$(unfinished)" ]
	# sizes and times are those of the source: nothing is left to do (but a .json, whose size
	# is not the same before it is published)
	rsync -ain "$OTHER/" "$MNT/" --exclude=/.ckptfuse >left
	[ -z "$(grep -v '/$' left | grep -v '\.json$')" ]
	[ "$(stat -c '%y' "$MNT"/*.json)" = "$(stat -c '%y' "$OTHER"/*.json)" ]
	done_editing
	sound
	[ "$(names)" = "$(names "$FROM")" ]
	same_as "$FROM"
}

@test "rsync over what is there: whole files, in place, by difference, with deletion" {
	need rsync
	local options
	for options in -a '-a --inplace' '-a --no-whole-file --inplace --partial' '-a --delete' \
		'-rc --backup' '-aX --fsync'; do
		echo "# rsync $options"
		rm -f "$P".*
		take saver
		cp "$DATA/saver/model.ckpt-99.index" "$P.index"
		cp "$DATA/saver/model.ckpt-99.data-00000-of-00001" "$P.data-00000-of-00001"
		edit
		other saver
		echo '{"dtype": "uint8", "shape": [3]}' >"$MNT/extra.json"
		printf 'abc' >"$MNT/extra"
		touch -d '2001-01-01' "$MNT"/*
		# shellcheck disable=SC2086
		rsync $options --ignore-times "$OTHER/" "$MNT/" --exclude=/.ckptfuse
		[ -z "$(unfinished)" ]
		publish
		if [[ $options == *delete* ]]; then
			absent extra
			[ "$(names)" = "$(names "$FROM")" ]
		else
			has_text extra abc
			"$CKPTCTL" rm "$MNT" extra
			publish
			[ "$(names)" = "$(names "$FROM")" ]
		fi
		same_as "$FROM"
		# backups are scratch
		find "$MNT" -name '*~' -delete
		[ -z "$(find "$MNT" -mindepth 1 -name '.*' ! -name .ckptfuse)" ]
		done_editing
		sound
		_unmount "$OTHER"
	done
}

@test "rsync from a mount that is edited, to a folder and back" {
	need rsync
	take saver
	edit
	rsync -a --exclude=/.ckptfuse "$MNT/" tree/
	bytes 128 >tree/dense/kernel
	touch -d '2031-01-01' tree/dense/kernel # rsync looks at seconds
	rsync -a --exclude=/.ckptfuse tree/ "$MNT/"
	cmp tree/dense/kernel "$MNT/dense/kernel"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has dense/kernel tree/dense/kernel
	rm -r tree/dense/kernel
	[ "$(names)" = "$(names "$DATA/saver/model.ckpt-100")" ]
}

@test "rsync of one large file: differences alone, in place" {
	need rsync
	take saver
	edit
	local size=$((3 << 20))
	head -c "$size" /dev/urandom >big
	echo "{\"dtype\": \"uint8\", \"shape\": [$size]}" >"$MNT/big.json"
	rsync --inplace big "$MNT/big"
	publish
	has big big
	printf 'changed' | dd of=big bs=1 seek=2000000 conv=notrunc status=none
	rsync --inplace --no-whole-file --ignore-times big "$MNT/big"
	cmp big "$MNT/big"
	done_editing
	sound
	has big big
}

@test "cp -a, cp -r, cp of single files over what is there" {
	other saver
	cp "$DATA/saver/model.ckpt-99.index" "$P.index"
	cp "$DATA/saver/model.ckpt-99.data-00000-of-00001" "$P.data-00000-of-00001"
	edit
	local how
	# only the variables, only the metadata, both; attributes or none
	cp "$OTHER/global_step" "$MNT/global_step"
	cp -a "$OTHER/dense" "$MNT/"
	cp -rT "$OTHER/dense_1" "$MNT/dense_1"
	cp -r --remove-destination "$OTHER/dense_2" "$MNT/"
	cp -f "$OTHER"/beta* "$MNT/"
	[ -z "$(unfinished)" ]
	publish
	same_as "$FROM"
	[ "$(names)" = "$(names "$FROM")" ]
	# backups that cp makes are scratch, and no variables
	for how in simple numbered; do
		bytes 128 >new
		cp "--backup=$how" new "$MNT/dense/kernel"
		ls -a "$MNT/dense"
	done
	find "$MNT/dense" -maxdepth 1 -name '*~' | grep .
	cp -u -p "$MNT/dense/bias" "$MNT/dense_1/.copy"
	publish
	has dense/kernel new
	[ "$(names)" = "$(names "$FROM")" ]
	done_editing
	sound
}

@test "cp -a of a whole tree into a new scope, and a mount into itself" {
	other alltypes
	take saver
	edit
	mkdir "$MNT/copy"
	cp -a "$OTHER"/* "$MNT/copy"
	[ -z "$(unfinished)" ]
	cp -r "$MNT/dense" "$MNT/dense_copy"
	cp -a "$MNT/dense" "$MNT/dense_again"
	done_editing
	sound
	local name
	while read -r name; do
		"$CKPTCTL" cat "$FROM" "$name" >expected
		has "copy/$name" expected
	done < <("$CKPTCTL" ls --json "$FROM" | jq -r '.[].name')
	for name in kernel kernel/Adam bias; do
		old "dense/$name" >expected
		has "dense_copy/$name" expected
		has "dense_again/$name" expected
	done
	[[ " $(names) " != *ckptfuse* ]]
}

@test "cp that is told to preserve what a mount has not" {
	take saver
	edit
	bytes 128 >new
	cp --preserve=all new "$MNT/dense/kernel"
	fails_with "not" cp -l "$MNT/dense/kernel" "$MNT/dense/linked"
	fails_with "not" cp -s "$MNT/dense/kernel" "$MNT/dense/linked"
	[ ! -e "$MNT/dense/linked" ]
	[ -s "$LOG" ]
	cp --sparse=always new "$MNT/dense/kernel.d/Adam"
	cp --reflink=auto new "$MNT/dense/kernel.d/Adam_1"
	fails_with "" cp --reflink=always new "$MNT/dense_1/kernel"
	# what is left of that is taken back
	echo dense_1/kernel >"$MNT/.ckptfuse/discard" || :
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has dense/kernel new
	has dense/kernel/Adam new
	has dense/kernel/Adam_1 new
	has dense_1/kernel <(old dense_1/kernel)
}

@test "tar: over files that are there, and into nothing" {
	other saver
	(cd "$OTHER" && tar -c -- *) >all.tar
	local options
	for options in '' --overwrite --recursive-unlink '-p --same-owner' \
		'--touch --no-same-permissions'; do
		echo "# tar -x $options"
		cp "$DATA/saver/model.ckpt-99.index" "$P.index"
		cp "$DATA/saver/model.ckpt-99.data-00000-of-00001" "$P.data-00000-of-00001"
		edit
		# shellcheck disable=SC2086
		tar -C "$MNT" -x $options -f all.tar
		[ -z "$(unfinished)" ]
		done_editing
		sound
		same_as "$FROM"
		[ "$(names)" = "$(names "$FROM")" ]
	done
	P=$DIR/new
	edit -o create=tensorflow
	tar -C "$MNT" -xf all.tar
	done_editing
	sound
	same_as "$FROM"
	# variables without their .json: types and shapes are those of what is there
	cp "$DATA/saver/model.ckpt-99.index" "$P.index"
	rm "$P".data*
	cp "$DATA/saver/model.ckpt-99.data-00000-of-00001" "$P.data-00000-of-00001"
	tar -C "$OTHER" --exclude=./.ckptfuse --exclude='*.json' -cf bytes.tar .
	edit
	tar -C "$MNT" -xf bytes.tar
	done_editing
	sound
	same_as "$FROM"
}

@test "tar out of a mount that is edited" {
	take saver
	edit
	bytes 128 >new
	cp new "$MNT/dense/kernel"
	tar -C "$MNT" --exclude=./.ckptfuse -cf - . | tar -xf - --one-top-level=out
	cmp new out/dense/kernel
	cmp out/dense/bias <(old dense/bias)
	[ "$(find out -type f ! -name '*.json' | wc -l)" = 21 ]
	[ "$(find out -type f -name '*.json' | wc -l)" = 21 ]
}

@test "install, with its modes, owners and backups" {
	take saver
	edit
	bytes 128 >new
	install -m 600 new "$MNT/dense/kernel"
	[ "$(stat -c %a "$MNT/dense/kernel")" = 600 ]
	install -C new "$MNT/dense/kernel.d/Adam"
	install -p -b new "$MNT/dense/kernel.d/Adam_1"
	[ "$(stat -c %s "$MNT/dense/kernel.d/Adam_1~")" = 128 ]
	echo '{"dtype": "float32", "shape": [32]}' >new.json
	install -D new.json "$MNT/made/here/v.json"
	install -D -t "$MNT/made/here" new
	mv "$MNT/made/here/new" "$MNT/made/here/v"
	install -d "$MNT/empty/folder"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has dense/kernel new
	has dense/kernel/Adam new
	has dense/kernel/Adam_1 new
	has made/here/v new
	is made/here/v float32 "[32]"
	[ "$(names | wc -w)" = 22 ]
}

@test "rm V V.json, rm V.json V, rm of globs, rm -r, find -delete" {
	take saver
	edit
	rm "$MNT/dense/bias" "$MNT/dense/bias.json"
	rm "$MNT/dense/kernel.json" "$MNT/dense/kernel"
	rm "$MNT"/beta*
	[ -z "$(find "$MNT" -maxdepth 1 -name 'beta*')" ]
	rm -r "$MNT/dense_1"
	find "$MNT/dense_2" -name '*Adam*' -delete
	rm -rf "$MNT/none"
	fails_with "No such file" rm "$MNT/dense/bias"
	fails_with "Is a directory" rm "$MNT/dense"
	fails_with "not empty" rmdir "$MNT/dense"
	done_editing
	sound
	[ "$(names)" = "dense/bias/Adam dense/bias/Adam_1 dense/kernel/Adam dense/kernel/Adam_1 \
dense_2/bias dense_2/kernel global_step" ]
}

@test "mv V V.json d/, mv of globs, of scopes, over what is there" {
	take saver
	edit
	mkdir "$MNT/d"
	mv "$MNT/dense/bias" "$MNT/dense/bias.json" "$MNT/d/"
	mv "$MNT/dense/kernel.json" "$MNT/dense/kernel" "$MNT/d/"
	[ "$(find "$MNT/d" -type f -printf '%f\n' | sort | tr '\n' ' ')" = \
		"bias bias.json kernel kernel.json " ]
	mkdir "$MNT/all"
	mv "$MNT"/beta* "$MNT/all/"
	mv "$MNT/dense_1" "$MNT/layer"
	mv -f "$MNT/dense_2/kernel.d/Adam" "$MNT/dense_2/kernel.d/Adam_1"
	mv -b "$MNT/dense_2/bias.d/Adam" "$MNT/dense_2/bias.d/Adam_1"
	mv -n "$MNT/dense_2/bias" "$MNT/dense_2/kernel" || :
	mv -T "$MNT/dense" "$MNT/renamed"
	[ -z "$(unfinished)" ]
	done_editing
	sound
	has d/bias <(old dense/bias)
	has d/kernel <(old dense/kernel)
	has all/beta1_power <(old beta1_power)
	has layer/kernel/Adam <(old dense_1/kernel/Adam)
	has dense_2/kernel/Adam_1 <(old dense_2/kernel/Adam)
	has dense_2/bias/Adam_1 <(old dense_2/bias/Adam)
	has dense_2/bias <(old dense_2/bias)
	has dense_2/kernel <(old dense_2/kernel)
	has renamed/kernel/Adam <(old dense/kernel/Adam)
	[ "$(names | wc -w)" = 19 ]
}

@test "mv from one mount to another, and to a folder and back" {
	take saver
	edit
	cp "$DATA/strings"/model.ckpt.* "$BATS_TEST_TMPDIR"
	start_ckptfuse -o rw "$BATS_TEST_TMPDIR/model.ckpt" "$OTHER"
	mv "$OTHER/matrix.json" "$OTHER/matrix" "$MNT/"
	[ ! -e "$OTHER/matrix" ]
	# in any order of the two
	mv "$OTHER/scalar" "$OTHER/scalar.json" "$MNT/"
	mkdir away
	mv "$MNT/dense" away/
	publish
	[[ " $(names) " != *" dense/"* ]]
	mv away/dense "$MNT/"
	[ -z "$(unfinished)" ]
	done_editing
	"$CKPTCTL" umount "$OTHER"
	sound
	"$CKPTCTL" cat "$DATA/strings/model.ckpt" matrix >expected
	has matrix expected
	is matrix string "[2,3]"
	has dense/kernel <(old dense/kernel)
	is dense/kernel float32 "[4,8]"
	[ "$(names | wc -w)" = 23 ]
	[[ " $(names "$BATS_TEST_TMPDIR/model.ckpt") " != *" matrix "* ]]
}

@test "a container edits a mount of the host; it is published outside" {
	[ "$(id -u)" = 0 ] || skip "not root"
	need podman runc
	PLACE=$(mktemp -d /tmp/ckptfuse-test.XXXXXX)
	local root=$PLACE/root file lib
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,etc,mnt}
	for file in sh cp mv rm dd sed mkdir cmp; do
		file=$(command -v "$file")
		cp -L "$file" "$root/bin/"
		while read -r lib; do
			mkdir -p "$root/$(dirname "$lib")"
			[ -e "$root/$lib" ] || cp -L "$lib" "$root/$lib"
		done < <(ldd "$file" | grep -o '/[^ ]*')
	done
	in_container --rootfs "$root" /bin/sh -c 'cp /bin/sh /tmp' || skip "containers do not run here"
	take saver
	edit
	bytes 128 >"$MNT/.new"
	cp "$MNT/.new" new
	run -0 in_container -v "$MNT:/mnt" --rootfs "$root" /bin/sh -ec '
		cd /mnt
		cp .new dense/kernel
		cmp .new dense/kernel
		printf abcd | dd of=dense/bias bs=1 seek=4 conv=notrunc
		sed -i "s/\[6\]/[2, 3]/;/shape/{N;N;N;N;s/\n//g;s/6/2, 3/}" dense_1/bias.json
		mkdir moved
		mv dense_2 moved/
		rm beta1_power beta1_power.json .new
	'
	echo "$output"
	done_editing
	sound
	has dense/kernel new
	[ "$("$CKPTCTL" cat "$P" dense/bias | head -c 8 | tail -c 4)" = abcd ]
	is dense_1/bias float32 "[2,3]"
	has moved/dense_2/kernel <(old dense_2/kernel)
	absent beta1_power
}

in_container() {
	timeout 60 podman --runtime runc --storage-driver vfs --root "$PLACE/store" \
		--runroot "$PLACE/run" run --rm --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 \
		--network none "$@" 3>&-
}
