#!/usr/bin/env bats
# The commands of ckptctl, as a user meets them.

bats_require_minimum_version 1.5.0
load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	data=$SRCDIR/tests/data
	saver=$data/saver/model.ckpt-100
}

teardown() {
	unmount_all
}

# fails STATUS LINE ARGUMENT...: that one line and nothing else.
fails() {
	run "-$1" --separate-stderr "$CKPTCTL" "${@:3}"
	echo "$output$stderr"
	[ -z "$output" ]
	[ "$stderr" = "ckptctl: $2" ]
}

# prints TEXT ARGUMENT...
prints() {
	run -0 --separate-stderr "$CKPTCTL" "${@:2}"
	echo "$output$stderr"
	[ -z "$stderr" ]
	[ "$output" = "$1" ]
}

# names TEXT ARGUMENT...: the first column of ls.
names() {
	run -0 --separate-stderr "$CKPTCTL" ls "${@:2}"
	echo "$output$stderr"
	[ -z "$stderr" ]
	# shellcheck disable=SC2001
	[ "$(sed 's/ *  int32  .*//' <<<"$output")" = "$1" ]
}

# damaged DIR: a copy of the saver's older checkpoint with one byte of dense/bias/Adam changed.
damaged() {
	mkdir "$1"
	cp "$data"/saver/model.ckpt-99.* "$1"
	printf X | dd of="$1/model.ckpt-99.data-00000-of-00001" bs=1 seek=50 conv=notrunc status=none
}

# The program itself

@test "help goes to standard output" {
	run -0 --separate-stderr "$CKPTCTL" --help
	[ "${lines[0]}" = "Usage: ckptctl COMMAND [OPTION...] SOURCE [NAME...]" ]
	[ -z "$stderr" ]
	help=$output
	prints "$help" -h
	for command in ls show cat verify set mv rm cp status commit discard compact umount; do
		[[ $help == *"  $command "* ]]
		run -0 --separate-stderr "$CKPTCTL" "$command" --help
		[[ ${lines[0]} == "Usage: ckptctl $command "* ]]
		[ -z "$stderr" ]
	done
}

@test "help fits a terminal of 80 columns" {
	for command in "" ls show cat verify set mv rm cp status commit discard compact umount journal; do
		# shellcheck disable=SC2086
		run -0 "$CKPTCTL" $command --help
		[ "$(printf '%s\n' "$output" | awk 'length($0) > 84')" = "" ]
	done
}

@test "the version" {
	run -0 "$CKPTCTL" --version
	[[ $output =~ ^ckptctl\ [0-9]+\.[0-9]+\.[0-9]+ ]]
	prints "$output" -V
}

@test "usage errors are one line and exit 1" {
	fails 1 "no command given: see ckptctl --help"
	fails 1 "frob: no such command: see ckptctl --help" frob
	fails 1 "missing operands: usage: ckptctl ls [OPTION...] SOURCE [NAME...]" ls
	fails 1 "missing operands: usage: ckptctl cat [OPTION...] SOURCE NAME" cat "$saver"
	fails 1 "too many operands: usage: ckptctl cat [OPTION...] SOURCE NAME" cat "$saver" a b
	fails 1 "too many operands: usage: ckptctl umount MOUNTPOINT" umount a b
	fails 1 "--frob: not an option of ls: see ckptctl ls --help" ls "$saver" --frob
	fails 1 "--json=1: not an option of ls: see ckptctl ls --help" ls --json=1 "$saver"
	fails 1 "-x: not an option of show: see ckptctl show --help" show -x "$saver"
	fails 1 "--json: not an option of cat: see ckptctl cat --help" cat --json "$saver" a
}

@test "options may stand anywhere, -- ends them" {
	run -0 "$CKPTCTL" ls "$saver" global_step --json
	json=$output
	prints "$json" ls --json "$saver" global_step
	prints "$json" ls --json -- "$saver" global_step
	names "--" -- "$data/names/model.ckpt" --
	names "-rf" "$data/names/model.ckpt" -- -rf
}

@test "an output that cannot be written is an error" {
	for command in "ls $saver" "show $saver" "cat $saver dense/kernel" "verify $saver" "--help"; do
		# shellcheck disable=SC2016,SC2086
		run -1 --separate-stderr bash -c '"$0" "$@" >/dev/full' "$CKPTCTL" $command
		[[ $stderr == "ckptctl: standard output: cannot be written"* ]]
	done
	# shellcheck disable=SC2016
	run -1 --separate-stderr bash -c '"$0" "$@" >&-' "$CKPTCTL" ls "$saver"
	[ "$stderr" = "ckptctl: standard output: cannot be written: Bad file descriptor" ]
}

@test "a reader that has seen enough ends it in silence" {
	# shellcheck disable=SC2016
	run -0 --separate-stderr bash -c '"$0" ls "$1" | head -n 1' "$CKPTCTL" "$data/many6000/model.ckpt"
	[ -z "$stderr" ]
	[ "${#lines[@]}" -eq 1 ]
}

# ls

@test "ls" {
	prints "\
beta1_power            float32  []       4
beta2_power            float32  []       4
dense/bias             float32  [8]     32
dense/bias/Adam        float32  [8]     32
dense/bias/Adam_1      float32  [8]     32
dense/kernel           float32  [4,8]  128
dense/kernel/Adam      float32  [4,8]  128
dense/kernel/Adam_1    float32  [4,8]  128
dense_1/bias           float32  [6]     24
dense_1/bias/Adam      float32  [6]     24
dense_1/bias/Adam_1    float32  [6]     24
dense_1/kernel         float32  [8,6]  192
dense_1/kernel/Adam    float32  [8,6]  192
dense_1/kernel/Adam_1  float32  [8,6]  192
dense_2/bias           float32  [3]     12
dense_2/bias/Adam      float32  [3]     12
dense_2/bias/Adam_1    float32  [3]     12
dense_2/kernel         float32  [6,3]   72
dense_2/kernel/Adam    float32  [6,3]   72
dense_2/kernel/Adam_1  float32  [6,3]   72
global_step            int64    []       8" ls "$saver"
}

@test "ls of chosen variables: each once, in the order of the index" {
	prints "\
dense/bias   float32  [8]  32
global_step  int64    []    8" ls "$saver" global_step dense/bias global_step
	prints "\
dense/bias         float32  [8]  32
dense/bias/Adam    float32  [8]  32
dense/bias/Adam_1  float32  [8]  32" ls "$saver" 'dense/bias*' dense/bias
	prints "\
dense_1/bias/Adam  float32  [6]  24
dense_2/bias/Adam  float32  [3]  12" ls "$saver" 'dense_[12]*bias/Ada?'
	prints "$("$CKPTCTL" ls "$saver")" ls "$saver" '*'
}

@test "an exact name wins over reading it as a pattern" {
	local names=$data/names/model.ckpt
	names '*' "$names" '*'
	names '?' "$names" '?'
	names '[a]' "$names" '[a]'
	names "[a]
a" "$names" '[a]' a
	names 'it'"'"'s' "$names" "it's"
}

@test "a name that means nothing is an error" {
	fails 1 "$saver: there is no variable \"dens\": ckptctl ls shows what there is" ls "$saver" dens
	fails 1 "$saver: there is no variable \"x*\": ckptctl ls shows what there is" ls "$saver" 'x*'
	fails 1 "$saver: there is no variable \"x\": ckptctl ls shows what there is" ls "$saver" global_step x
	fails 1 "$saver: \"dense\" is a scope, not a variable: give 'dense/*' for what lies in it" ls "$saver" dense
	fails 1 "$saver: \"dense/\" is a scope, not a variable: give 'dense/*' for what lies in it" show "$saver" dense/
	fails 1 "$data/savedmodel/variables/variables: there is no variable \"bias\": give its whole name, bias/.ATTRIBUTES/VARIABLE_VALUE" cat "$data/savedmodel" bias
	fails 1 "$saver: there is no variable \"a\\x0ab\": ckptctl ls shows what there is" ls "$saver" $'a\nb'
}

@test "ls shows names as one word on one line" {
	local names=$data/names/model.ckpt
	names 'a\040b' "$names" 'a b'
	names 'new\nline' "$names" $'new\nline'
	names 'tab\there' "$names" $'tab\there'
	names 'back\\slash' "$names" 'back?slash'
	names 'esc\033[31m' "$names" 'esc*'
	names 'del\177' "$names" 'del*'
	names '\342\200\256gnp' "$names" '*gnp'
	names '🙂' "$names" '🙂'
	names 'two\040\040blanks' "$names" 'two  blanks'
	names 'caf\351' "$data/names-bytes/model.ckpt" $'caf\xe9'
	run -0 "$CKPTCTL" ls "$names"
	[ "${#lines[@]}" -eq "$("$CKPTCTL" ls --json "$names" | grep -c '^{')" ]
}

@test "ls --json: what V.json holds, a line each" {
	prints '[
{"name": "global_step", "dtype": "int64", "shape": [], "nbytes": 8, "byte_order": "little", "crc32c": "'"$(
		"$CKPTCTL" ls --json "$saver" global_step | sed -n 's/.*"crc32c": "\([0-9a-f]\{8\}\)".*/\1/p'
	)"'", "shard": 0, "offset": 1388, "dtype_native": "DT_INT64"}
]' ls --json "$saver" global_step
	prints '[]' ls --json "$data/empty/model.ckpt"
	prints '' ls "$data/empty/model.ckpt"
	run -0 "$CKPTCTL" ls --json "$data/names-bytes/model.ckpt" $'caf\xe9'
	[[ ${lines[1]} == '{"name": {"base64": "Y2Fm6Q=="}, '* ]]
	run -0 "$CKPTCTL" ls --json "$saver"
	[ "${#lines[@]}" -eq 23 ]
	command -v jq >/dev/null || skip "no jq here"
	[ "$("$CKPTCTL" ls --json "$saver" | jq -r '.[] | select(.shape == [4, 8]) | .name' | wc -l)" -eq 3 ]
}

# show

@test "show" {
	prints "\
tensor: global_step (int64) []
$("$CKPTCTL" cat "$saver" global_step | od -An -t d8 | tr -d ' ')
# Total number of params: 348" show "$saver" global_step
	run -0 "$CKPTCTL" show "$saver"
	[ "${lines[0]}" = "tensor: beta1_power (float32) []" ]
	[[ $output == *"tensor: dense/kernel (float32) [4, 8]
[["* ]]
	[ "${lines[-1]}" = "# Total number of params: 348" ]
}

@test "show summarises long ones, --all does not" {
	run -0 "$CKPTCTL" show "$data/shapes/model.ckpt" bool_40x40
	[[ $output == *" ... "* ]]
	run -0 "$CKPTCTL" show --all "$data/shapes/model.ckpt" bool_40x40
	[[ $output != *" ... "* ]]
	[ "$(grep -o -e True -e False <<<"$output" | wc -l)" -eq 1600 ]
}

@test "show of what has no values" {
	prints "\
tensor: list (variant) []
<not convertible to a numpy dtype>
# Total number of params: 8" show "$data/variant/model.ckpt" list
	prints "# Total number of params: 0" show "$data/empty/model.ckpt"
}

# cat

@test "cat writes the bytes of every variable" {
	local sum name
	while read -r sum name; do
		echo "$name"
		[ "$("$CKPTCTL" cat "$saver" "$name" | sha256sum)" = "$sum  -" ]
	done < <(sed 's/\.d\//\//' "$data/saver/expected.sha256")
}

@test "cat takes one variable" {
	fails 1 "$saver: dense_*/kernel means 2 variables: cat takes one" cat "$saver" 'dense_*/kernel'
	[ "$("$CKPTCTL" cat "$saver" 'glob*' | wc -c)" -eq 8 ]
	fails 5 "$data/variant/model.ckpt: variable \"list\" is of dtype variant (number 21), whose bytes cannot be shown: the other variables can" cat "$data/variant/model.ckpt" list
}

# verify

@test "verify of a sound checkpoint" {
	prints "21 variables, 1396 bytes: all checksums match" verify "$saver"
	prints "0 variables, 0 bytes: all checksums match" verify "$data/empty/model.ckpt"
	prints '{"source": "'"$saver"'",
"format": "tensorflow",
"variables": 21,
"bytes": 1396,
"problems": [],
"damaged": [],
"unchecked": []}' verify --json "$saver"
	for dir in aligned alltypes big-endian shapes shards5 sliced snappy strings; do
		run -0 "$CKPTCTL" verify "$data/$dir/model.ckpt"
		[[ $output == *": all checksums match" ]]
	done
}

@test "verify names what is damaged" {
	damaged d
	run -4 --separate-stderr "$CKPTCTL" verify d/model.ckpt-99
	[ -z "$stderr" ]
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} == 'd/model.ckpt-99.data-00000-of-00001: damaged: variable "dense/bias/Adam": '* ]]
	[ "${lines[1]}" = "21 variables, 1396 bytes: 1 damaged variable" ]
	run -4 --separate-stderr "$CKPTCTL" verify --json d/model.ckpt-99
	[ -z "$stderr" ]
	[ "${lines[5]}" = '"damaged": [' ]
	[[ ${lines[6]} == '{"name": "dense/bias/Adam", '*', "problem": "d/model.ckpt-99.data-'*'"}' ]]
	[ "${lines[7]}" = '],' ]
	[ "${lines[8]}" = '"unchecked": []}' ]
}

@test "verify lists all damage, not only the first" {
	damaged d
	truncate -s 1300 d/model.ckpt-99.data-00000-of-00001
	run -4 --separate-stderr "$CKPTCTL" verify d/model.ckpt-99
	[ "${#lines[@]}" -eq 5 ]
	[[ ${lines[0]} == *'"dense/bias/Adam"'* ]]
	[[ ${lines[1]} == *'ends at byte 1300'*'"dense_2/kernel/Adam"'* ]]
	[[ ${lines[3]} == *'ends at byte 1300'*'"global_step"'* ]]
	[ "${lines[4]}" = "21 variables, 1396 bytes: 4 damaged variables" ]
	fails 4 "${lines[1]} (what is readable can be opened with force)" ls d/model.ckpt-99
	cp "$data"/shards5/model.ckpt.* .
	rm model.ckpt.data-00003-of-00005
	run -4 --separate-stderr "$CKPTCTL" verify model.ckpt
	[[ ${lines[0]} == "model.ckpt.data-00003-of-00005: is missing"* ]]
	[[ ${lines[-1]} == *" damaged variables, 1 other problem" ]]
	run -4 --separate-stderr "$CKPTCTL" verify --json model.ckpt
	[ "${lines[4]}" = '"problems": [' ]
	[[ ${lines[5]} == '"model.ckpt.data-00003-of-00005: is missing'* ]]
}

@test "verify says what it cannot check" {
	run -0 "$CKPTCTL" verify "$data/variant/model.ckpt"
	[[ ${lines[0]} == *'variable "list": not checked: '* ]]
	[ "${lines[1]}" = "3 variables, 115 bytes: all checksums match, 1 not checked" ]
	run -0 "$CKPTCTL" verify --json "$data/unknown-dtype/model.ckpt"
	[[ $output == *'
"unchecked": [
{"name": "future", "dtype": "unknown", '*'"dtype_native": 99}
]}' ]]
}

@test "--force opens what is readable" {
	damaged d
	truncate -s 1300 d/model.ckpt-99.data-00000-of-00001
	run -4 "$CKPTCTL" show d/model.ckpt-99 beta1_power
	run -0 "$CKPTCTL" show --force d/model.ckpt-99 beta1_power
	[ "${lines[0]}" = "tensor: beta1_power (float32) []" ]
	run -0 "$CKPTCTL" ls --force d/model.ckpt-99
	[ "${#lines[@]}" -eq 21 ]
	run -0 "$CKPTCTL" ls --force --json d/model.ckpt-99 global_step
	[[ ${lines[1]} == *'"problem": "d/model.ckpt-99.data-00000-of-00001: ends at byte 1300'*'"}' ]]
	run -4 --separate-stderr "$CKPTCTL" show --force d/model.ckpt-99 dense/bias global_step
	[ "${lines[-2]}" = "<damaged>" ]
	[[ $stderr == 'ckptctl: d/model.ckpt-99.data-00000-of-00001: ends at byte 1300'*'"global_step"'* ]]
	run -4 "$CKPTCTL" cat --force d/model.ckpt-99 global_step
}

# umount

@test "umount returns when the daemon has gone" {
	require_fuse
	for _ in 1 2 3; do
		mount_ckpt "$saver"
		pid=$(mount_pid "$MNT")
		prints "" umount "$MNT"
		_is_gone "$pid"
		run -1 is_mounted "$MNT"
	done
	fails 1 "$MNT: no checkpoint is mounted here: findmnt -t fuse.ckptfuse lists where" umount "$MNT"
}

@test "umount of odd paths" {
	require_fuse
	# shellcheck disable=SC2030
	export MNT="$PWD/a b\\c	d"
	mount_ckpt "$saver"
	ln -s "$MNT" link
	prints "" umount link/
	mount_ckpt "$saver"
	cd "$BATS_TEST_TMPDIR"
	prints "" umount "./a b\\c	d"
	mkdir plain
	fails 1 "plain: no checkpoint is mounted here: findmnt -t fuse.ckptfuse lists where" umount plain
	fails 1 "none: No such file or directory: give the folder that it is mounted on" umount none
}

@test "umount of a busy mount" {
	require_fuse
	MNT=$PWD/mnt
	mount_ckpt "$saver"
	exec 7<"$MNT/global_step"
	fails 8 "$MNT: busy: end the programs that use it (fuser -vm $MNT lists them)" umount "$MNT"
	[ -e "$MNT/global_step" ]
	exec 7<&-
	prints "" umount "$MNT"
}

@test "umount takes a dead mount away" {
	require_fuse
	MNT=$PWD/mnt
	mount_ckpt "$saver"
	pid=$(mount_pid "$MNT")
	kill -KILL "$pid"
	wait_gone "$pid"
	run ! ls "$MNT"
	prints "" umount "$MNT"
	[ -d "$MNT" ]
	[ -z "$(ls "$MNT")" ]
}

@test "a = in a NAME may be written \\=, also beside what a glob would mean" {
	for name in 'x*=[y]' 'dense/kernel=x' 'a=b=c'; do
		"$CKPTCTL" cat "$data/names/model.ckpt" "$name" >plain
		"$CKPTCTL" cat "$data/names/model.ckpt" "${name//=/\\=}" >escaped
		[ -s plain ]
		cmp plain escaped
	done
}
