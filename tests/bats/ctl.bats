#!/usr/bin/env bats
# The commands of ckptctl that edit, on a checkpoint that nobody else has open.

# shellcheck disable=SC2154 # p and data are set in ctl.bash
bats_require_minimum_version 1.5.0
load helper
load ctl

setup() {
	ctl_setup
}

teardown() {
	unmount_all
}

# Options

@test "options with values" {
	fails 1 "--dtype: needs a value: see ckptctl set --help" set "$p" x - --dtype
	fails 1 "--dtype: not an option of mv: see ckptctl mv --help" mv "$p" a b --dtype int8
	fails 1 "--publish=often: no way of publishing: auto, replace and inplace are" set --publish often "$p" x -
	fails 1 "--format=zip: no format: tensorflow is what this version writes" cp --format zip "$p" b
	unchanged
}

@test "operands that are missing" {
	fails 1 "missing operands: usage: ckptctl set [OPTION...] SOURCE NAME FILE" set "$p" x
	fails 1 "missing operands: usage: ckptctl mv SOURCE OLD NEW" mv "$p" x
	fails 1 "missing operands: usage: ckptctl rm SOURCE NAME..." rm "$p"
	fails 1 "missing operands: usage: ckptctl cp [OPTION...] A B [NAME[=NEW]...]" cp "$p"
	fails 1 "too many operands: usage: ckptctl commit [OPTION...] SOURCE" commit "$p" x
	fails 1 "too many operands: usage: ckptctl compact SOURCE" compact "$p" x
}

@test "a source that is not there, and one that is nothing" {
	for command in "set x y -" "mv x a b" "rm x a" "status x" "commit x" "discard x" "compact x"; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr "$CKPTCTL" $command </dev/null
		[[ $stderr == "ckptctl: x: "* ]]
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
	echo hello >x
	for command in "set x y -" "mv x a b" "rm x a" "status x" "commit x" "discard x" "compact x" "cp $p x"; do
		# shellcheck disable=SC2086
		run -3 --separate-stderr "$CKPTCTL" $command </dev/null
		[[ $stderr == "ckptctl: x: "* ]]
	done
	unchanged
}

# set

@test "set replaces the bytes of a variable" {
	bytes 32 >new
	prints "" set "$p" dense/bias new
	holds dense/bias new
	[ "$(row dense/bias)" = "dense/bias  float32  [8]  32" ]
	sound
	bytes 32 >new
	prints "" set "$p.index" dense/bias new
	holds dense/bias new
	bytes 128 >other
	# shellcheck disable=SC2016
	run -0 bash -c 'cat other | "$0" set "$1" dense/kernel -' "$CKPTCTL" "$p"
	[ -z "$output" ]
	holds dense/kernel other
	holds dense/bias new
	sound
}

@test "set leaves all other variables as they were" {
	bytes 32 >new
	"$CKPTCTL" set "$p" dense/bias new
	local name
	for name in $("$CKPTCTL" ls "$p" | awk '$1 != "dense/bias" { print $1 }'); do
		"$CKPTCTL" cat "$data/saver/model.ckpt-100" "$name" | cmp - <("$CKPTCTL" cat "$p" "$name")
	done
	[ "$("$CKPTCTL" ls "$p" | wc -l)" -eq 21 ]
}

@test "set of bytes that do not fit changes nothing" {
	bytes 31 >short
	bytes 33 >long
	: >empty
	fails 1 "$p: variable \"dense/bias\": 31 bytes given, 32 expected (float32 [8]): nothing was changed" set "$p" dense/bias short
	fails 1 "$p: variable \"dense/bias\": 33 bytes given, 32 expected (float32 [8]): nothing was changed" set "$p" dense/bias long
	fails 1 "$p: variable \"dense/bias\": 0 bytes given, 32 expected (float32 [8]): nothing was changed" set "$p" dense/bias empty
	# shellcheck disable=SC2016
	run -1 --separate-stderr bash -c 'cat short | "$0" set "$1" dense/bias -' "$CKPTCTL" "$p"
	[ "$stderr" = "ckptctl: $p: variable \"dense/bias\": 31 bytes given, 32 expected (float32 [8]): nothing was changed" ]
	# shellcheck disable=SC2016
	run -1 --separate-stderr bash -c '"$0" set "$1" dense/bias - </dev/zero' "$CKPTCTL" "$p"
	[ "$stderr" = "ckptctl: $p: variable \"dense/bias\": more than 32 bytes given, 32 expected (float32 [8]): nothing was changed" ]
	unchanged
}

@test "set makes a variable" {
	bytes 24 >new
	prints "" set --dtype int32 --shape 2,3 "$p" a/new/one new
	holds a/new/one new
	[ "$(row a/new/one)" = "a/new/one  int32  [2,3]  24" ]
	printf '\1\0' | "$CKPTCTL" set --dtype=uint16 --shape='[]' "$p" step -
	[ "$(row step)" = "step  uint16  []  2" ]
	printf '' | "$CKPTCTL" set --dtype float32 --shape '[0, 4]' "$p" none -
	[ "$(row none)" = "none  float32  [0,4]  0" ]
	printf 'x' | "$CKPTCTL" set --dtype bool --shape "" "$p" dense/kernel/deep -
	[ "$(row dense/kernel/deep)" = "dense/kernel/deep  bool  []  1" ]
	"$CKPTCTL" cat "$p" dense/kernel | cmp - <("$CKPTCTL" cat "$data/saver/model.ckpt-100" dense/kernel)
	sound
}

@test "set of a variable whose name is a scope's" {
	bytes 4 >new
	prints "" set --dtype float32 --shape 1 "$p" dense new
	holds dense new
	[ "$("$CKPTCTL" ls "$p" 'dense*' | wc -l)" -eq 19 ]
	sound
}

@test "set of a new variable needs its dtype and shape" {
	bytes 24 >new
	fails 1 "$p: there is no variable \"new\": --dtype and --shape make a new one" set "$p" new new
	fails 1 "$p: there is no variable \"new\": --dtype and --shape make a new one" set --dtype int32 "$p" new new
	fails 1 "$p: there is no variable \"new\": --dtype and --shape make a new one" set --shape 6 "$p" new new
	fails 1 "$p: \"new/\" is a scope's name, not a variable's" set --dtype int32 --shape 6 "$p" new/ new
	fails 1 "--dtype=float: no dtype: names are those of ckptctl ls, as float32, int64, bfloat16, bool, string" set --dtype float --shape 6 "$p" new new
	fails 1 "--shape=2x3: no shape: write it as 2,3, a scalar's as []" set --dtype int32 --shape 2x3 "$p" new new
	fails 1 "--shape=2,: no shape: write it as 2,3, a scalar's as []" set --dtype int32 --shape 2, "$p" new new
	fails 1 "--shape=-1: no shape: write it as 2,3, a scalar's as []" set --dtype int32 --shape=-1 "$p" new new
	fails 1 "--shape=99999999999999999999: no shape: write it as 2,3, a scalar's as []" set --dtype int32 --shape 99999999999999999999 "$p" new new
	fails 1 "$p: variable \"new\": 24 bytes given, 20 expected (int32 [5]): nothing was changed" set --dtype int32 --shape 5 "$p" new new
	run -1 --separate-stderr "$CKPTCTL" set --dtype int32 --shape 4294967296,4294967296 "$p" new new
	[[ $stderr == "ckptctl: $p: "* ]]
	run -5 --separate-stderr "$CKPTCTL" set --dtype resource --shape 6 "$p" new new
	[ "$stderr" = "ckptctl: $p: variable \"new\": of dtype resource, which cannot be written" ]
	unchanged
}

@test "set gives a variable another shape or dtype" {
	"$CKPTCTL" cat "$p" dense/kernel >old
	prints "" set --shape 32 "$p" dense/kernel old
	[ "$(row dense/kernel)" = "dense/kernel  float32  [32]  128" ]
	holds dense/kernel old
	prints "" set --dtype int64 --shape 4,4 "$p" dense/kernel old
	[ "$(row dense/kernel)" = "dense/kernel  int64  [4,4]  128" ]
	bytes 32 >half
	prints "" set --dtype float16 "$p" dense/kernel half
	[ "$(row dense/kernel)" = "dense/kernel  float16  [4,4]  32" ]
	holds dense/kernel half
	sound
}

@test "set of strings" {
	cp "$data"/strings/model.ckpt.* .
	s=$PWD/model.ckpt
	printf 'any length of it' >new
	prints "" set "$s" scalar new
	holds scalar new "$s"
	prints "" set "$s" scalar /dev/null
	[ "$(row scalar "$s")" = "scalar  string  []  0" ]
	printf 'onetwothree' >new
	fails 1 "$s: variable \"one_empty\": 1 strings: give the bytes of each with --lengths N,N..." set "$s" one_empty new
	fails 1 "$s: variable \"new\": 3 strings: give the bytes of each with --lengths N,N..." set --dtype string --shape 3 "$s" new new
	prints "" set --dtype string --shape 3 --lengths 3,3,5 "$s" new new
	holds new new "$s"
	[ "$(row new "$s")" = "new  string  [3]  11" ]
	run -0 "$CKPTCTL" ls --json "$s" new
	[[ $output == *'"lengths": [3, 3, 5]'* ]]
	prints "" set --lengths "[5, 0, 6]" "$s" new new
	fails 1 "$s: variable \"new\": 11 bytes given, 10 expected (string [3], the sum of its lengths): nothing was changed" set --lengths 3,3,4 "$s" new new
	run -1 --separate-stderr "$CKPTCTL" set --lengths 11 "$s" new new
	[[ $stderr == "ckptctl: $s: "* ]]
	fails 1 "--lengths=a: no lengths: write them as 3,4,5" set --lengths a "$s" new new
	fails 1 "$p: variable \"dense/bias\": of dtype float32: only strings have --lengths" set --lengths 11 "$p" dense/bias new
	[[ $("$CKPTCTL" ls --json "$s" new) == *'"lengths": [5, 0, 6]'* ]]
	sound "$s"
}

@test "set of a partitioned variable, and of one in the other byte order" {
	cp "$data"/sliced/model.ckpt.* .
	bytes 252 >new
	prints "" set "$PWD/model.ckpt" grid_3x2 new
	holds grid_3x2 new "$PWD/model.ckpt"
	sound "$PWD/model.ckpt"
	rm model.ckpt.*
	cp "$data"/big-endian/model.ckpt.* .
	bytes 24 >new
	prints "" set "$PWD/model.ckpt" matrix/float32 new
	holds matrix/float32 new "$PWD/model.ckpt"
	prints "" set --dtype int32 --shape 6 "$PWD/model.ckpt" new new
	holds new new "$PWD/model.ckpt"
	[[ $("$CKPTCTL" ls --json "$PWD/model.ckpt" new) == *'"byte_order": "big"'* ]]
	sound "$PWD/model.ckpt"
}

@test "set from what cannot be read" {
	fails 2 "none: cannot be opened: No such file or directory" set "$p" dense/bias none
	fails 2 "$PWD: a folder, where the bytes of one variable were expected" set "$p" dense/bias "$PWD"
	# shellcheck disable=SC2016
	run -2 --separate-stderr bash -c '"$0" set "$1" dense/bias - <&-' "$CKPTCTL" "$p"
	[ "$stderr" = "ckptctl: standard input: cannot be opened: Bad file descriptor" ]
	unchanged
}

@test "set of odd names" {
	cp "$data"/names/model.ckpt.* .
	local n=$PWD/model.ckpt name
	bytes 4 >new
	for name in 'a=b' '..' 'x.json' '.hidden' 'back\slash' $'new\nline' '%' '-x' 'tail~' '/lead' 'a//b'; do
		echo "$name"
		"$CKPTCTL" set --dtype int32 --shape 1 -- "$n" "new/$name" new
		holds "new/$name" new "$n"
		"$CKPTCTL" set --dtype int32 --shape 1 -- "$n" "$name/new" new
		holds "$name/new" new "$n"
	done
	"$CKPTCTL" set --dtype int32 --shape 1 "$n" 'new/c\=d' new
	holds 'new/c=d' new "$n"
	long=$(printf 'x%.0s' {1..300})
	"$CKPTCTL" set --dtype int32 --shape 1 "$n" "$long/$long" new
	holds "$long/$long" new "$n"
	sound "$n"
}

@test "an interrupted set changes nothing" {
	mkfifo pipe
	exec 7<>pipe
	"$CKPTCTL" set "$p" dense/bias - <pipe 2>err 7>&- &
	pid=$!
	printf 'some' >&7
	wait_until 10 test -e "$p.ckptfuse-lock"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	exec 7>&-
	[ "$status" -eq 143 ]
	[ "$(cat err)" = "ckptctl: interrupted: nothing was changed" ]
	unchanged
}

# mv

@test "mv renames a variable" {
	"$CKPTCTL" cat "$p" dense/bias >old
	prints "" mv "$p" dense/bias fc/b
	holds fc/b old
	fails 1 "$p: \"dense/bias\" is a scope, not a variable: give 'dense/bias/*' for what lies in it" cat "$p" dense/bias
	[ "$("$CKPTCTL" ls "$p" | wc -l)" -eq 21 ]
	holds dense/bias/Adam <("$CKPTCTL" cat "$data/saver/model.ckpt-100" dense/bias/Adam)
	cmp "$p.data-00000-of-00001" "$data/saver/model.ckpt-100.data-00000-of-00001"
	sound
}

@test "mv onto a variable replaces it" {
	"$CKPTCTL" cat "$p" dense/bias >old
	prints "" mv "$p" dense/bias dense/kernel
	holds dense/kernel old
	[ "$(row dense/kernel)" = "dense/kernel  float32  [8]  32" ]
	[ "$("$CKPTCTL" ls "$p" | wc -l)" -eq 20 ]
	prints "" mv "$p" dense/kernel dense/kernel
	sound
}

@test "mv renames a scope" {
	prints "" mv "$p" dense/ encoder/layer_0/
	[ "$("$CKPTCTL" ls "$p" 'encoder/layer_0/*' | wc -l)" -eq 6 ]
	[ "$("$CKPTCTL" ls "$p" | wc -l)" -eq 21 ]
	holds encoder/layer_0/kernel/Adam <("$CKPTCTL" cat "$data/saver/model.ckpt-100" dense/kernel/Adam)
	prints "" mv "$p" dense_1/kernel/ dense_1/kernel_slots
	[ "$("$CKPTCTL" ls "$p" 'dense_1/kernel_slots/*' | wc -l)" -eq 2 ]
	[ "$(row dense_1/kernel)" = "dense_1/kernel  float32  [8,6]  192" ]
	sound
}

@test "mv a variable to its own scope's name and back" {
	prints "" mv "$p" dense_2/bias dense_2
	[ "$(row dense_2)" = "dense_2  float32  [3]  12" ]
	prints "" mv "$p" dense_2 dense_2/bias
	[ "$(row dense_2/bias)" = "dense_2/bias  float32  [3]  12" ]
	[ "$("$CKPTCTL" ls "$p")" = "$("$CKPTCTL" ls "$data/saver/model.ckpt-100")" ]
	sound
}

@test "mv of a variable away from its slots, and back beside them" {
	"$CKPTCTL" cat "$p" dense_1/kernel >kernel
	prints "" mv "$p" dense_1/kernel elsewhere
	holds elsewhere kernel
	# Its slots stand in a folder that has its name now.
	prints "" mv "$p" elsewhere dense_1/kernel
	holds dense_1/kernel kernel
	[ "$("$CKPTCTL" ls "$p" 'dense_1/kernel*' | wc -l)" -eq 3 ]
	sound
}

@test "mv of what is not there, and to what cannot be" {
	fails 1 "$p: there is no variable \"x\": ckptctl ls shows what there is" mv "$p" x y
	fails 1 "$p: there is no variable \"d*\": ckptctl ls shows what there is" mv "$p" 'd*' y
	fails 1 "$p: there is no scope \"x/\": ckptctl ls shows what there is" mv "$p" x/ y/
	fails 1 "$p: \"dense\" is a scope, not a variable: give 'dense/*' for what lies in it" mv "$p" dense y
	fails 1 "$p: the new name is empty" mv "$p" dense/bias ''
	fails 1 "$p: the new name is empty" mv "$p" dense/ ''
	fails 1 "$p: dense/bias is a variable, and fc/ a scope's name: give the whole new name" mv "$p" dense/bias fc/
	fails 1 "$p: the scope \"dense/\" cannot become one in itself, \"dense/a/\"" mv "$p" dense/ dense/a/
	fails 1 "$p: there is a scope \"dense_1/\" already: rename the variables of \"dense/\" one by one, or remove those of \"dense_1/\" first" mv "$p" dense/ dense_1/
	unchanged
}

@test "mv of odd names" {
	cp "$data"/names/model.ckpt.* .
	local n=$PWD/model.ckpt before
	before=$("$CKPTCTL" ls "$n" | wc -l)
	while IFS= read -r -d '' name; do
		"$CKPTCTL" cat -- "$n" "$name" >old
		"$CKPTCTL" mv -- "$n" "$name" "moved/$name" </dev/null
		holds "moved/$name" old "$n"
		"$CKPTCTL" mv -- "$n" "moved/$name" "$name" </dev/null
		holds "$name" old "$n"
	done < <(printf '%s\0' 'a b' 'it'"'"'s' '*' '?' '[a]' '%' '%41' '%-' '#z#' $'new\nline' -- -rf)
	[ "$("$CKPTCTL" ls "$n" | wc -l)" -eq "$before" ]
	prints "" mv "$n" 'a\=b\=c' 'd\=e'
	[ "$("$CKPTCTL" ls "$n" 'd=e' | wc -l)" -eq 1 ]
	sound "$n"
}

# rm

@test "rm removes variables" {
	prints "$p: 1 variable removed" rm "$p" global_step
	prints "$p: 13 variables removed" rm "$p" '*/Adam' '*/Adam_1' 'beta1*'
	prints "\
beta2_power     float32  []       4
dense/bias      float32  [8]     32
dense/kernel    float32  [4,8]  128
dense_1/bias    float32  [6]     24
dense_1/kernel  float32  [8,6]  192
dense_2/bias    float32  [3]     12
dense_2/kernel  float32  [6,3]   72" ls "$p"
	cmp "$p.data-00000-of-00001" "$data/saver/model.ckpt-100.data-00000-of-00001"
	sound
	prints "$p: 7 variables removed" rm "$p" '*'
	prints "" ls "$p"
	sound
}

@test "rm is all or nothing" {
	fails 1 "$p: there is no variable \"x\": ckptctl ls shows what there is" rm "$p" global_step x
	fails 1 "$p: \"dense/\" is a scope, not a variable: give 'dense/*' for what lies in it" rm "$p" dense/
	unchanged
}

# cp

@test "cp makes a copy of all variables" {
	prints "" cp "$p" copy.ckpt
	[ "$("$CKPTCTL" ls copy.ckpt)" = "$("$CKPTCTL" ls "$p")" ]
	[ "$("$CKPTCTL" show --all copy.ckpt)" = "$("$CKPTCTL" show --all "$p")" ]
	sound copy.ckpt
	unchanged
	for dir in strings sliced shards5 big-endian alltypes names names-bytes shapes tf2; do
		echo "$dir"
		from=$(echo "$data/$dir"/*.index)
		from=${from%% *}
		from=${from%.index}
		prints "" cp "$from" "copy-$dir"
		[ "$("$CKPTCTL" ls "copy-$dir")" = "$("$CKPTCTL" ls "$from")" ]
		[ "$("$CKPTCTL" show --all "copy-$dir")" = "$("$CKPTCTL" show --all "$from")" ]
		sound "copy-$dir"
	done
}

@test "cp of chosen variables, under other names" {
	prints "" cp "$p" b 'dense/*' global_step 'dense_1/bias=a\=b' dense_2/=fc/x/ dense_2/kernel/=
	prints "\
Adam                float32  [6,3]   72
Adam_1              float32  [6,3]   72
a=b                 float32  [6]     24
dense/bias          float32  [8]     32
dense/bias/Adam     float32  [8]     32
dense/bias/Adam_1   float32  [8]     32
dense/kernel        float32  [4,8]  128
dense/kernel/Adam   float32  [4,8]  128
dense/kernel/Adam_1  float32  [4,8]  128
fc/x/bias           float32  [3]     12
fc/x/bias/Adam      float32  [3]     12
fc/x/bias/Adam_1    float32  [3]     12
fc/x/kernel         float32  [6,3]   72
fc/x/kernel/Adam    float32  [6,3]   72
fc/x/kernel/Adam_1  float32  [6,3]   72
global_step         int64    []       8" ls b || true
	[ "$("$CKPTCTL" ls b | wc -l)" -eq 16 ]
	holds a=b <("$CKPTCTL" cat "$p" dense_1/bias) b
	holds fc/x/kernel/Adam <("$CKPTCTL" cat "$p" dense_2/kernel/Adam) b
	holds Adam <("$CKPTCTL" cat "$p" dense_2/kernel/Adam) b
	sound b
	prints "" cp "$p" c =all/
	[ "$("$CKPTCTL" ls c 'all/*' | wc -l)" -eq 21 ]
	sound c
}

@test "cp into a checkpoint that is there: the rest of it stays" {
	cp "$data"/strings/model.ckpt.* .
	local b=$PWD/model.ckpt
	before=$("$CKPTCTL" ls "$b" | wc -l)
	prints "" cp "$p" "$b" dense/bias dense/kernel=scalar
	[ "$("$CKPTCTL" ls "$b" | wc -l)" -eq $((before + 1)) ]
	[ "$(row scalar "$b")" = "scalar  float32  [4,8]  128" ]
	holds scalar <("$CKPTCTL" cat "$p" dense/kernel) "$b"
	holds cube <("$CKPTCTL" cat "$data/strings/model.ckpt" cube) "$b"
	sound "$b"
}

@test "cp between byte orders" {
	from=$data/big-endian/model.ckpt
	prints "" cp "$p" little global_step
	prints "" cp "$from" little
	[ "$("$CKPTCTL" show --all little 'matrix/*' | head -n -1)" = "$("$CKPTCTL" show --all "$from" 'matrix/*' | head -n -1)" ]
	[[ $("$CKPTCTL" ls --json little matrix/int32) == *'"byte_order": "little"'* ]]
	sound little
	cp "$from".* .
	prints "" cp "$p" model.ckpt dense/kernel
	[ "$("$CKPTCTL" show --all model.ckpt dense/kernel | head -n -1)" = "$("$CKPTCTL" show --all "$p" dense/kernel | head -n -1)" ]
	sound model.ckpt
}

@test "cp within one checkpoint, under another name" {
	prints "" cp "$p" "$p" dense/bias=copies/bias dense_1/=copies/dense_1/
	holds copies/bias <("$CKPTCTL" cat "$p" dense/bias)
	[ "$("$CKPTCTL" ls "$p" 'copies/*' | wc -l)" -eq 7 ]
	sound
	ln -s "$p.index" link.index
	ln -s "$p.data-00000-of-00001" link.data-00000-of-00001
	before=$(cat "$p".* | cksum)
	fails 1 "$p: both are this checkpoint, and \"beta1_power\" would be copied onto itself: NAME=NEW copies it under another name" cp link "$p"
	fails 1 "$p: both are this checkpoint, and \"global_step\" would be copied onto itself: NAME=NEW copies it under another name" cp "$p" "$p" dense/bias=x global_step
	[ "$(cat "$p".* | cksum)" = "$before" ]
}

@test "cp of what cannot be copied makes nothing" {
	fails 1 "$p: there is no variable \"x\": ckptctl ls shows what there is" cp "$p" b x
	fails 1 "$p: there is no variable \"x\": ckptctl ls shows what there is" cp "$p" b x=y
	fails 1 "$p: there is no variable \"dense*\": ckptctl ls shows what there is" cp "$p" b 'dense*=y'
	fails 1 "$p: there is no scope \"x/\": ckptctl ls shows what there is" cp "$p" b x/=y/
	fails 1 '"dense/=fc": a scope becomes a scope: let what stands behind = end in /' cp "$p" b dense/=fc
	fails 1 '"dense/bias=": a variable needs a name of its own behind =' cp "$p" b dense/bias=
	fails 1 '"dense/bias=fc/": a variable needs a name of its own behind =' cp "$p" b dense/bias=fc/
	fails 1 '"=": no name on either side of =' cp "$p" b =
	fails 1 '"dense/bias=a=b": two of = divide it: a = in a name is written \=' cp "$p" b dense/bias=a=b
	fails 1 'b: "dense/bias" and "dense_1/bias" would both be called "x"' cp "$p" b dense/bias=x dense_1/bias=x
	fails 1 'b: "dense/bias" and "dense_1/bias" would both be called "dense/bias"' cp "$p" b dense/bias dense_1/bias=dense/bias
	fails 5 "$data/variant/model.ckpt: variable \"list\" is of dtype variant (number 21), whose bytes cannot be shown: the other variables can" cp "$data/variant/model.ckpt" b
	fails 5 "b.safetensors: this version cannot write safetensors: --format tensorflow writes a TensorFlow V2 checkpoint" cp "$p" b.safetensors
	fails 5 "b: this version cannot write tensorflow-v1: --format tensorflow writes a TensorFlow V2 checkpoint" cp --format tensorflow-v1 "$p" b
	run -2 --separate-stderr "$CKPTCTL" cp "$p" none/b
	[[ $stderr == "ckptctl: none/b: "* ]]
	[ -z "$(find . -name 'b*')" ]
	prints "" cp --format tensorflow "$p" b.safetensors global_step
	sound b.safetensors
	unchanged
}

@test "cp of a damaged variable copies nothing" {
	printf X | dd of="$p.data-00000-of-00001" bs=1 seek=50 conv=notrunc status=none
	truncate -s 1000 "$p.data-00000-of-00001"
	run -4 --separate-stderr "$CKPTCTL" cp "$p" b
	[ "${#stderr_lines[@]}" -eq 1 ]
	run -4 --separate-stderr "$CKPTCTL" cp --force "$p" b
	[ "${#stderr_lines[@]}" -eq 1 ]
	[ -z "$(find . -name 'b*')" ]
	prints "" cp --force "$p" b dense/bias
	sound b
}

@test "cp with one variable that fails leaves B as it was" {
	cp "$data"/variant/model.ckpt.* .
	run -5 "$CKPTCTL" cp model.ckpt "$p"
	unchanged
}

@test "cp of a checkpoint without variables" {
	# Just as TensorFlow writes one.
	prints "" cp "$data/empty/model.ckpt" b
	cmp b.index "$data/empty/model.ckpt.index"
	[ -e b.data-00000-of-00001 ]
	[ ! -s b.data-00000-of-00001 ]
	prints "" ls b
	sound b
	prints "" cp "$data/empty/model.ckpt" "$p"
	unchanged
}

@test "cp of many variables" {
	prints "" cp "$data/many6000/model.ckpt" b
	[ "$("$CKPTCTL" ls b | cksum)" = "$("$CKPTCTL" ls "$data/many6000/model.ckpt" | cksum)" ]
	sound b
	prints "b: 6000 variables removed" rm b '*'
	sound b
}

@test "names with and without TF2's ending are two variables" {
	local v=/.ATTRIBUTES/VARIABLE_VALUE t=$PWD/ckpt-1
	cp "$data"/tf2/ckpt-1.* .
	bytes 4 >four
	bytes 8 >eight
	fails 1 "$t: there is no variable \"save_counter\": give its whole name, save_counter$v" set "$t" save_counter eight
	fails 1 "$t: there is no variable \"save_counter\": give its whole name, save_counter$v" set --dtype int8 --shape 8 "$t" save_counter eight
	fails 1 "$t: there is no variable \"save_counter\": give its whole name, save_counter$v" mv "$t" save_counter x
	fails 1 "$t: there is no variable \"save_counter\": give its whole name, save_counter$v" rm "$t" save_counter
	cmp ckpt-1.index "$data/tf2/ckpt-1.index"
	"$CKPTCTL" set --dtype int8 --shape 4 "$t" "new$v" four
	holds "new$v" four "$t"
	# The short one first: then the long one has a path of its own.
	"$CKPTCTL" set --dtype int8 --shape 8 "$t" both eight
	"$CKPTCTL" set --dtype int8 --shape 4 "$t" "both$v" four
	holds both eight "$t"
	holds "both$v" four "$t"
	"$CKPTCTL" mv "$t" both other
	[ "$("$CKPTCTL" ls "$t" 'both*' | wc -l)" -eq 1 ]
	holds "both$v" four "$t"
	holds other eight "$t"
	"$CKPTCTL" mv "$t" "both$v" both
	holds both four "$t"
	"$CKPTCTL" mv "$t" both "both$v"
	holds "both$v" four "$t"
	prints "$t: 1 variable removed" rm "$t" "both$v"
	[ "$("$CKPTCTL" ls "$t" 'both*' 2>&1 | grep -c both$v)" -eq 0 ]
	sound "$t"
}

@test "names that end in a separator" {
	cp "$data"/names/model.ckpt.* .
	local n=$PWD/model.ckpt
	"$CKPTCTL" ls "$n" 'trailing/' >/dev/null
	bytes 12 >new
	prints "" set "$n" trailing/ new
	holds trailing/ new "$n"
	prints "" cp "$n" b trailing/
	prints "$n: 1 variable removed" rm "$n" trailing/
	prints "trailing/  int32  [3]  12" ls b
	sound "$n"
	sound b
}

@test "one damaged variable is no obstacle to the others" {
	cp "$data"/strings/model.ckpt.* .
	local s=$PWD/model.ckpt at
	at=$("$CKPTCTL" ls --json "$s" cube | jq '.[0].offset')
	printf '\377\377\377\377' | dd of="$s.data-00000-of-00001" bs=1 seek="$at" conv=notrunc status=none
	printf 'other' >new
	prints "" set "$s" scalar new
	holds scalar new "$s"
	run -4 --separate-stderr "$CKPTCTL" set --lengths 1 "$s" cube new
	[ "${#stderr_lines[@]}" -eq 1 ]
	prints "$s: 1 variable removed" rm "$s" cube
	sound "$s"
}

@test "three renames exchange two variables, or two scopes" {
	local a b
	a=$("$CKPTCTL" cat "$p" dense/bias | cksum)
	b=$("$CKPTCTL" cat "$p" dense_1/bias | cksum)
	"$CKPTCTL" mv "$p" dense/bias tmp
	"$CKPTCTL" mv "$p" dense_1/bias dense/bias
	"$CKPTCTL" mv "$p" tmp dense_1/bias
	[ "$("$CKPTCTL" cat "$p" dense/bias | cksum)" = "$b" ]
	[ "$("$CKPTCTL" cat "$p" dense_1/bias | cksum)" = "$a" ]
	"$CKPTCTL" mv "$p" dense/ tmp/
	"$CKPTCTL" mv "$p" dense_1/ dense/
	"$CKPTCTL" mv "$p" tmp/ dense_1/
	[ "$(row dense/kernel)" = "dense/kernel  float32  [8,6]  192" ]
	[ "$("$CKPTCTL" cat "$p" dense/bias | cksum)" = "$a" ]
	cmp "$p.data-00000-of-00001" "$data/saver/model.ckpt-100.data-00000-of-00001"
	sound
}

@test "cp of all dtypes into the other byte order, and back" {
	cp "$data"/big-endian/model.ckpt.* .
	local b=$PWD/model.ckpt
	prints "" cp "$data/alltypes/model.ckpt" "$b" =all/
	prints "" cp "$b" back all/=
	[ "$("$CKPTCTL" show --all back)" = "$("$CKPTCTL" show --all "$data/alltypes/model.ckpt")" ]
	sound "$b"
	sound back
}

# How it is published

@test "--publish" {
	bytes 128 >new
	local inode
	inode=$(stat -c %i "$p.data-00000-of-00001")
	for how in auto replace inplace; do
		bytes 128 >new
		prints "" set --publish "$how" "$p" dense/kernel new
		holds dense/kernel new
		sound
	done
	prints "" cp --publish replace "$p" b
	sound b
}
