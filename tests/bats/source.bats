#!/usr/bin/env bats
# What can be given as SOURCE, and what is said of everything else.

bats_require_minimum_version 1.5.0
load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	data=$SRCDIR/tests/data
	expected="a TensorFlow V2 checkpoint (PREFIX.index and PREFIX.data-*) was expected"
	reads="this version reads TensorFlow V2 checkpoints"
}

teardown() {
	unmount_all
}

# opens SOURCE PREFIX: it is the checkpoint at that prefix.
opens() {
	run -0 --separate-stderr "$CKPTCTL" verify --json "$1"
	echo "$output$stderr"
	[[ $output == "{\"source\": \"$2\","* ]]
	[ -z "$stderr" ]
}

# refuses STATUS LINE SOURCE: with that line and nothing else.
refuses() {
	run "-$1" --separate-stderr "$CKPTCTL" ls "$3"
	echo "$stderr"
	[ -z "$output" ]
	[ "$stderr" = "ckptctl: $2" ]
}

# bundle PREFIX: a small checkpoint of that name.
bundle() {
	cp "$data/shapes/model.ckpt.index" "$1.index"
	cp "$data/shapes/model.ckpt.data-00000-of-00001" "$1.data-00000-of-00001"
}

# v1 FILE: the front and the end of a V1 checkpoint.
v1() {
	{
		printf '\0\0\6\12\4\12\2\12\0'
		head -c 64 /dev/zero
		printf '\127\373\200\213\44\165\107\333'
	} >"$1"
}

@test "a prefix, its index, a shard, the meta graph" {
	mkdir run
	cp "$data"/saver/* run
	opens run/model.ckpt-100 run/model.ckpt-100
	opens run/model.ckpt-100.index run/model.ckpt-100
	opens run/model.ckpt-100.data-00000-of-00001 run/model.ckpt-100
	opens run/model.ckpt-100.meta run/model.ckpt-100
	opens run//model.ckpt-99 run//model.ckpt-99
	cd run
	opens model.ckpt-100 model.ckpt-100
	opens ./model.ckpt-100.index ./model.ckpt-100
}

@test "any of several shards" {
	for i in 0 1 2 3 4; do
		opens "$data/shards5/model.ckpt.data-0000$i-of-00005" "$data/shards5/model.ckpt"
	done
}

@test "a SavedModel by its folder or its graph" {
	cp -r "$data/savedmodel" m
	opens m m/variables/variables
	opens m/ m/variables/variables
	opens m/saved_model.pb m/variables/variables
	opens m/variables/variables m/variables/variables
	mv m/saved_model.pb m/saved_model.pbtxt
	opens m m/variables/variables
	opens m/saved_model.pbtxt m/variables/variables
	cd m
	opens . ./variables/variables
	opens saved_model.pbtxt variables/variables
}

@test "a prefix that is an empty name" {
	mkdir d
	bundle d/
	opens d/ d/
	opens d/.index d/
	refuses 5 "d: a folder that holds one checkpoint: give d/" d
}

@test "a bundle wins over a folder of its name, unless a slash says otherwise" {
	bundle x
	mkdir x
	opens x x
	refuses 3 "x: an empty folder: $expected" x/
	bundle x/y
	opens x x
	refuses 5 "x: a folder that holds one checkpoint: give x/y" x/
}

@test "a cache of symlinks: siblings are found beside the link" {
	mkdir blobs snap
	cp "$data/saver/model.ckpt-100.index" blobs/aaa
	cp "$data/saver/model.ckpt-100.data-00000-of-00001" blobs/bbb
	ln -s ../blobs/aaa snap/m.index
	ln -s ../blobs/bbb snap/m.data-00000-of-00001
	opens snap/m snap/m
	opens snap/m.index snap/m
	opens snap/m.data-00000-of-00001 snap/m
	refuses 5 "snap: a folder that holds one checkpoint: give snap/m" snap
	refuses 5 "blobs/aaa: the index of a TensorFlow V2 checkpoint under another name: call it PREFIX.index, beside its PREFIX.data-* files" blobs/aaa
	rm blobs/aaa
	refuses 2 "snap/m.index: a symlink to ../blobs/aaa, which is not there: download or copy that as well" snap/m
	refuses 2 "snap/m.index: a symlink to ../blobs/aaa, which is not there: download or copy that as well" snap/m.index
	refuses 2 "snap/m.index: a symlink to ../blobs/aaa, which is not there: download or copy that as well" snap
}

@test "a model folder: the latest by its state file comes first" {
	mkdir run
	for i in 1 2 10; do bundle "run/m-$i"; done
	refuses 5 "run: a folder of 3 checkpoints, of which one is opened at a time: give run/m-10, run/m-2 or run/m-1" run
	echo 'model_checkpoint_path: "m-2"' >run/checkpoint
	refuses 5 "run: a folder of 3 checkpoints, of which one is opened at a time: give run/m-2 (the latest), run/m-10 or run/m-1" run/
	refuses 5 "run: a folder of 3 checkpoints, of which one is opened at a time: give run/m-2 (the latest), run/m-10 or run/m-1" run/checkpoint
	# moved since: the path dangles, its last component does not
	echo 'model_checkpoint_path: "/gone/m-1"' >run/checkpoint
	refuses 5 "run: a folder of 3 checkpoints, of which one is opened at a time: give run/m-1 (the latest), run/m-10 or run/m-2" run
	# another folder's
	bundle other-7
	echo "model_checkpoint_path: '$PWD/other-7'" >run/checkpoint
	refuses 5 "run: a folder of 4 checkpoints, of which one is opened at a time: give $PWD/other-7 (the latest), run/m-10, run/m-2 or run/m-1" run
	echo 'no state file' >run/checkpoint
	refuses 5 "run: a folder of 3 checkpoints, of which one is opened at a time: give run/m-10, run/m-2 or run/m-1" run
	cd run
	refuses 5 ".: a folder of 3 checkpoints, of which one is opened at a time: give ./m-10, ./m-2 or ./m-1" .
}

@test "a state file is read as text format has it" {
	mkdir run
	bundle run/a
	bundle 'run/b"c'
	bundle 'run/b"d'
	printf '# saved\nlast_preserved_timestamp: 1.5e9 ,\nmodel_checkpoint_path :\n\t"b\\042"\t\x27\\x63\x27 # end\n' >run/checkpoint
	refuses 5 'run: a folder of 3 checkpoints, of which one is opened at a time: give run/b"c (the latest), run/b"d or run/a' run
	# shellcheck disable=SC1003
	for text in 'model_checkpoint_path: "b' 'model_checkpoint_path "a"' 'model_checkpoint_path: ""' \
		'model_checkpoint_path: {}' 'model_checkpoint_path: "\' 'model_checkpoint_path: "a\0"'; do
		echo "$text" >run/checkpoint
		refuses 5 'run: a folder of 3 checkpoints, of which one is opened at a time: give run/b"d, run/b"c or run/a' run
	done
}

@test "a long list is cut" {
	mkdir run
	for i in 1 2 3 4 5 6 7 8 9; do bundle "run/m-$i"; done
	refuses 5 "run: a folder of 9 checkpoints, of which one is opened at a time: give run/m-9, run/m-8, run/m-7, run/m-6, run/m-5 and 4 more" run
	long=$(printf %0200d 0)
	mkdir long
	for i in 1 2 3 4; do bundle "long/$long-$i"; done
	refuses 5 "long: a folder of 4 checkpoints, of which one is opened at a time: give long/$long-4, long/$long-3, long/$long-2 and 1 more" long
}

@test "one checkpoint in a folder is not guessed either" {
	mkdir one
	bundle one/m
	refuses 5 "one: a folder that holds one checkpoint: give one/m" one
	echo 'model_checkpoint_path: "m"' >one/checkpoint
	refuses 5 "one: a folder that holds one checkpoint: give one/m" one
	refuses 5 "$data/savedmodel/variables: a folder that holds one checkpoint: give $data/savedmodel/variables/variables" "$data/savedmodel/variables"
}

@test "a model folder whose checkpoints are gone" {
	mkdir run
	echo 'model_checkpoint_path: "m-2"' >run/checkpoint
	refuses 2 "run: a model folder without a checkpoint: its state file names m-2, which is not there" run
	refuses 2 "run: a model folder without a checkpoint: its state file names m-2, which is not there" run/checkpoint
}

@test "folders of SavedModels" {
	mkdir serving
	cp -r "$data/savedmodel" serving/9
	refuses 5 "serving: a folder that holds one SavedModel: give serving/9" serving
	cp -r "$data/savedmodel" serving/10
	refuses 5 "serving: a folder of 2 SavedModels, of which one is opened at a time: give serving/10 or serving/9" serving/
}

@test "folders of model folders" {
	mkdir runs runs/a runs/b runs/c
	bundle runs/a/m
	echo 'model_checkpoint_path: "m"' >runs/b/checkpoint
	refuses 5 "runs: a folder without a checkpoint of its own: give one in runs/b or runs/a" runs
}

@test "a SavedModel without variables, and files of one" {
	mkdir m
	cp "$data/savedmodel/saved_model.pb" "$data/savedmodel/fingerprint.pb" m
	refuses 2 "m: a SavedModel without variables: there is no m/variables/variables.index" m
	refuses 2 "m: a SavedModel without variables: there is no m/variables/variables.index" m/saved_model.pb
	refuses 3 "m/fingerprint.pb: a file of a SavedModel: give m" m/fingerprint.pb
	cd m
	refuses 2 ".: a SavedModel without variables: there is no variables/variables.index" saved_model.pb
	mkdir variables
	touch variables/variables.data-00000-of-00001
	refuses 2 "variables/variables.data-00000-of-00001: one half of a checkpoint, and there is no variables/variables.index: copy or download that too" saved_model.pb
}

@test "V1 checkpoints" {
	mkdir run
	v1 run/m-1
	v1 run/m-2-00000-of-00001
	touch run/m-1.meta run/m-2.meta
	echo 'model_checkpoint_path: "/tmp/m-2-?????-of-00001"' >run/checkpoint
	refuses 5 "run/m-1: a TensorFlow V1 checkpoint: $reads" run/m-1
	refuses 5 "run/m-1: a TensorFlow V1 checkpoint: $reads" run/m-1.meta
	refuses 5 "run/m-2-00000-of-00001: a TensorFlow V1 checkpoint: $reads" run/m-2-00000-of-00001
	refuses 5 "run/m-2-00000-of-00001: a TensorFlow V1 checkpoint: $reads" run/m-2
	refuses 5 "run/m-2-00000-of-00001: a TensorFlow V1 checkpoint: $reads" 'run/m-2-?????-of-00001'
	refuses 5 "run/m-2-00000-of-00001: a TensorFlow V1 checkpoint: $reads" run/m-2.meta
	refuses 5 "run: a folder with m-1, a TensorFlow V1 checkpoint: $reads" run
	# both kinds of one name: the one that can be read
	bundle run/m-1
	opens run/m-1 run/m-1
}

@test "other frameworks' files, alone and in a folder" {
	mkdir st pt
	printf '\2\0\0\0\0\0\0\0{}' >st/model.safetensors
	echo '{"weight_map": {"w": "model-00001-of-00002.safetensors"}}' >model.safetensors.index.json
	printf 'PK\3\4\0\0\0\0archive/data.pkl' >pt/model.pt
	refuses 5 "st/model.safetensors: a safetensors file: $reads" st/model.safetensors
	refuses 5 "st: a folder with model.safetensors, a safetensors file: $reads" st
	refuses 5 "model.safetensors.index.json: the index of a safetensors checkpoint in several files: $reads" model.safetensors.index.json
	refuses 5 "pt/model.pt: a PyTorch checkpoint: $reads" pt/model.pt
	refuses 5 "pt: a folder with model.pt, a PyTorch checkpoint: $reads" pt/
}

@test "what is no checkpoint is called by its name" {
	mkdir empty some
	echo hello >some/notes.txt
	: >nothing
	head -c 70000 /dev/zero >zeros
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n' >pointer
	echo '<!doctype html>' >page
	mkfifo pipe
	refuses 3 "empty: an empty folder: $expected" empty
	refuses 3 "some: a folder without a checkpoint: $expected" some
	refuses 3 "some/notes.txt: a text file: $expected" some/notes.txt
	refuses 3 "nothing: an empty file: $expected" nothing
	refuses 3 "zeros: a file of zeros, as a copy or download leaves that did not finish: $expected" zeros
	refuses 3 "pointer: a Git LFS pointer, its content never downloaded (git lfs pull fetches it): $expected" pointer
	refuses 3 "page: a web page, saved in place of the file that it links to: $expected" page
	refuses 3 "pipe: a device, pipe or socket: $expected" pipe
	refuses 3 "/dev/null: a device, pipe or socket: $expected" /dev/null
}

@test "an index that is something else" {
	bundle m
	echo '<!doctype html>' >m.index
	refuses 3 "m.index: looks like a web page, saved in place of the file that it links to, where the index of a TensorFlow checkpoint was expected" m
	: >m.index
	refuses 3 "m.index: looks like an empty file, where the index of a TensorFlow checkpoint was expected" m
}

@test "a checkpoint whose index is missing" {
	mkdir run
	bundle run/m
	rm run/m.index
	half="run/m.data-00000-of-00001: one half of a checkpoint, and there is no run/m.index: copy or download that too"
	refuses 2 "$half" run/m
	refuses 2 "$half" run/m.index
	refuses 2 "$half" run/m.data-00000-of-00001
	refuses 2 "$half" 'run/m.data-?????-of-00001'
	refuses 2 "$half" run
	touch run/m.index.part
	refuses 2 "run/m.index.part: a download that has not finished, and there is no run/m.index: finish it" run/m
	rm run/*
	touch run/m.meta
	refuses 2 "run/m.meta: only the graph of a checkpoint, and there is no run/m.index: copy or download the other files too" run/m
	refuses 2 "run/m.meta: only the graph of a checkpoint, and there is no run/m.index: copy or download the other files too" run/m.meta
}

@test "a save that never finished" {
	mkdir run
	touch run/m-2.data-00000-of-00001 run/m-2.index.tempstate1234567890
	line="run/m-2.index.tempstate1234567890: a save that never finished, and there is no run/m-2.index: give an earlier checkpoint"
	refuses 2 "$line" run/m-2
	refuses 2 "$line" run
	refuses 2 "$line" run/m-2.index.tempstate1234567890
	rm run/*
	touch run/m-2.data-00000-of-00001.tempstate1234567890
	refuses 2 "run/m-2.data-00000-of-00001.tempstate1234567890: a save that never finished, and there is no run/m-2.index: give an earlier checkpoint" run/m-2
	rm run/*
	mkdir run/m-2_temp
	refuses 2 "run/m-2_temp: a save that never finished, and there is no run/m-2.index: give an earlier checkpoint" run/m-2
	# saved again since, with success
	touch run/m-2.index.tempstate1234567890
	bundle run/m-2
	opens run/m-2 run/m-2
	refuses 3 "run/m-2.index.tempstate1234567890: left by a save that never finished: give run/m-2" run/m-2.index.tempstate1234567890
}

@test "near misses" {
	mkdir run
	bundle run/m-9
	bundle run/m-10
	refuses 2 "run/m: there is no such checkpoint: give run/m-10 or run/m-9" run/m
	refuses 2 "run/m-*: there is no such checkpoint: give run/m-10 or run/m-9" 'run/m-*'
	refuses 2 "run/m-1: there is no such checkpoint: give run/m-10" run/m-1
	refuses 2 "run/x: there is no such checkpoint, but others in its folder: give run/m-10 or run/m-9" run/x
	refuses 2 "run/m-9.data-00001-of-00002: there is no such file: give run/m-9" run/m-9.data-00001-of-00002
	refuses 2 "run/m-9.meta: there is no such file: give run/m-9" run/m-9.meta
	refuses 2 "run/m-9.data-?????-of-00001: there is no such file: give run/m-9" 'run/m-9.data-?????-of-00001'
	refuses 2 "run/m-9 : it ends in a blank: give run/m-9" 'run/m-9 '
	refuses 2 "run/m-9/: it ends in a slash, and is no folder: give run/m-9" run/m-9/
	refuses 2 "run/m-9.index/: it ends in a slash, and is no folder: give run/m-9.index" run/m-9.index/
	cd run
	refuses 2 "m: there is no such checkpoint: give m-10 or m-9" m
}

@test "nothing there at all" {
	refuses 2 "x: there is no such file or folder, nor a checkpoint x.index" x
	refuses 2 "x.index: there is no such file or folder, nor a checkpoint x.index" x.index
	refuses 2 "no/x: there is no folder no" no/x
	touch file
	refuses 2 "file/x: file is not a folder" file/x
	refuses 2 "gs://bucket/m: an address, not a path: download it, or mount its store first" gs://bucket/m
	refuses 2 "the source is an empty path: give a checkpoint, such as model.ckpt-100" ""
	ln -s nowhere link
	refuses 2 "link: a symlink to nowhere, which is not there: download or copy that as well" link
}

@test "a message is one line, whatever the path holds" {
	refuses 2 "a?b: there is no such file or folder, nor a checkpoint a?b.index" $'a\nb'
}

@test "a mounted checkpoint, and one whose daemon has died" {
	require_fuse
	mount_ckpt "$data/saver/model.ckpt-100"
	refuses 5 "$MNT: a mounted checkpoint: look into the folder itself, or give what is mounted there (.ckptfuse/checkpoint.json names it)" "$MNT"
	pid=$(mount_pid "$MNT")
	kill -KILL "$pid"
	wait_gone "$pid"
	refuses 2 "$MNT: lies in a mount whose daemon has died: run ckptctl umount on the mount point" "$MNT"
	refuses 2 "$MNT/dense: lies in a mount whose daemon has died: run ckptctl umount on the mount point" "$MNT/dense"
}
