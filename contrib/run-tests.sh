#!/bin/bash
# run-tests.sh - every test there is, each way of building included.
#
# usage: contrib/run-tests.sh [STAGE...]
#
#	check      gcc, warnings are errors, make check
#	clang      clang, warnings are errors; compiled only
#	asan       clang with the address and undefined behaviour sanitizers, make check
#	nofuse     --disable-fuse, make check
#	interop    against TensorFlow itself (tests/interop/run.py)
#	distcheck  make distcheck: the archive builds, passes, installs and uninstalls
#	fuzz       libFuzzer looks for new inputs, a minute for each target; by name only
#
# Installs what is missing, as root or with sudo. TensorFlow goes into a virtual environment,
# build/venv; CKPT_VENV names another one that is there already. Output of each stage is in
# build/logs, of what failed here too. The last line counts test cases, a stage that broke down
# being one that failed; the exit status is 0 if none did.
set -euo pipefail

# shellcheck source=common.bash
. "$(dirname -- "${BASH_SOURCE[0]}")/common.bash"
build=$top/build
logs=$build/logs

all_stages=(check clang asan nofuse interop distcheck)
declare -A limits=([packages]=1200 [check]=900 [clang]=600 [asan]=1200 [nofuse]=600 [interop]=1500
	[distcheck]=1200 [fuzz]=3000)

# The stages. Each runs in a process of its own: this script again, with "--stage NAME".

# make_check NAME OPTION...: builds in build/NAME and runs make check there.
make_check() {
	build_in "$@"
	make -C "$build/$1" -j"$(cpus)" check
}

build_in() {
	local folder=$build/$1
	shift
	configure_in "$folder" "$@"
	make -C "$folder" -j"$(cpus)" all
}

asan_options=(CC=clang 'CFLAGS=-g -O1' '--enable-sanitizers=address,undefined')

stage_packages() {
	local -a missing
	mapfile -t missing < <({
		missing_for_build
		missing_for_tests
	} | tr ' ' '\n')
	# fusermount3 does not unmount for a user without it, and the barest containers have none.
	if [ "$EUID" -eq 0 ] && ! [ -e /etc/mtab ]; then
		ln -s /proc/self/mounts /etc/mtab
	fi
	if [ "${#missing[@]}" -eq 0 ]; then
		say "packages: all there"
		return
	fi
	install_packages "$logs/apt.log" "${missing[@]}"
}

clang_is_whole() {
	echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
		clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null - >/dev/null 2>&1
}

missing_for_tests() {
	has_command bats || echo bats
	clang_is_whole || echo clang libclang-rt-dev
	python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || echo python3-venv
	has_command getfattr || echo attr
	has_command jq || echo jq
	has_command podman || echo podman
	[ -n "$(PATH=$PATH:/usr/sbin command -v runc)" ] || echo runc
	has_command unshare || echo util-linux
	has_command ps || echo procps
	has_command nm || echo binutils
	has_command xz || echo xz-utils
	# disks that are full, and disks that share blocks
	PATH=$PATH:/usr/sbin has_command mkfs.ext4 || echo e2fsprogs
	PATH=$PATH:/usr/sbin has_command mkfs.xfs || echo xfsprogs
	PATH=$PATH:/usr/sbin has_command mkfs.btrfs || echo btrfs-progs
	# what people edit with
	has_command vim || echo vim
	has_command ed || echo ed
	has_command rsync || echo rsync
}

stage_check() {
	make_check gcc CC=gcc --enable-werror
}

stage_clang() {
	build_in clang CC=clang --enable-werror
	# The tests' programs, without running them.
	make -C "$build/clang" -j"$(cpus)" check TESTS=
}

stage_asan() {
	make_check asan "${asan_options[@]}" --enable-werror
}

stage_nofuse() {
	make_check nofuse --disable-fuse --enable-werror
}

stage_distcheck() {
	build_in gcc CC=gcc --enable-werror
	make -C "$build/gcc" -j"$(cpus)" distcheck
}

# The virtual environment's python, made ready where it is ours.
interop_python() {
	local venv=$build/venv requirements=$top/tests/interop/requirements.txt
	if [ -n "${CKPT_VENV-}" ]; then
		[ -x "$CKPT_VENV/bin/python" ] ||
			die 1 "CKPT_VENV=$CKPT_VENV is not a virtual environment"
		say "$CKPT_VENV/bin/python"
		return
	fi
	# The copy of the requirements is made last: with it the environment is complete. One that
	# was moved has the old place in its scripts, though its python works; so that is asked.
	if ! cmp -s "$requirements" "$venv/requirements.txt" ||
		! "$venv/bin/python" -c 'import numpy' 2>/dev/null; then
		rm -rf "$venv"
		python3 -m venv "$venv" >&2
		"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
			-r "$requirements" >&2
		cp "$requirements" "$venv/requirements.txt"
	fi
	say "$venv/bin/python"
}

stage_interop() {
	local python
	build_in gcc CC=gcc --enable-werror
	python=$(interop_python)
	export SRCDIR=$top BUILDDIR=$build/gcc CKPTCTL=$build/gcc/ckptctl CKPTFUSE=$build/gcc/ckptfuse
	export TF_CPP_MIN_LOG_LEVEL=2 CUDA_VISIBLE_DEVICES=
	"$python" "$top/tests/interop/run.py"
}

stage_fuzz() {
	local fuzzer name corpus
	build_in fuzz "${asan_options[@]}" --enable-fuzzers
	for fuzzer in "$build"/fuzz/tests/fuzz/libfuzzer_*; do
		[ -x "$fuzzer" ] || continue
		name=${fuzzer##*/libfuzzer_}
		corpus=$build/fuzz-corpus/$name
		mkdir -p "$corpus"
		local -a seeds=()
		for seed in "$top/tests/fuzz/corpus/$name" "$top/tests/fuzz/corpus/fuzz_$name"; do
			[ -d "$seed" ] && seeds+=("$seed")
		done
		echo "# $name"
		if "$fuzzer" -max_total_time=60 -rss_limit_mb=2048 -print_final_stats=1 \
			-artifact_prefix="$build/fuzz-corpus/$name-" "$corpus" "${seeds[@]}"; then
			echo "ok - $name"
		else
			echo "not ok - $name"
		fi
	done
}

if [ "${1-}" = --stage ]; then
	"stage_$2"
	exit
fi

# From here on: run the stages and count.

# What a stage left mounted would hold its folder, and its daemons the next stage's processors.
sweep() {
	local folder mnt
	for folder in "$build" "$scratch"; do
		while read -r mnt; do
			say "still mounted after $1: $mnt"
			unmount_lazily "$mnt" || :
		done < <(ckptfuse_mounts "$folder")
	done
}

# counts STAGE LOG: sets stage_passed, stage_failed, stage_skipped from what the stage printed.
counts() {
	local stage=$1 log=$2 kind n
	stage_passed=0 stage_failed=0 stage_skipped=0
	case $stage in
	interop | fuzz) tap_counts "$log" ;;
	*) automake_counts "$stage" "$log" ;;
	esac | {
		while read -r kind n; do
			case $kind in
			PASS | XFAIL) stage_passed=$((stage_passed + n)) ;;
			SKIP) stage_skipped=$((stage_skipped + n)) ;;
			FAIL | XPASS | ERROR) stage_failed=$((stage_failed + n)) ;;
			esac
		done
		echo "stage_passed=$stage_passed stage_failed=$stage_failed stage_skipped=$stage_skipped"
	} >"$scratch/counts"
	# shellcheck source=/dev/null
	. "$scratch/counts"
}

# Lines of "KIND NUMBER" from a TAP stream; a plan that was not kept is an error.
tap_counts() {
	awk '
		/^ok( |$)/ { n++; if (/# *[Ss][Kk][Ii][Pp]/) skip++; else pass++ }
		/^not ok( |$)/ { n++; if (/# *[Tt][Oo][Dd][Oo]/) pass++; else fail++ }
		/^1\.\.[0-9]+/ { planned = 1; plan = substr($1, 4) + 0
			if (plan == 0) { skip++; n = n + 0 } }
		/^Bail out!/ { error++ }
		END {
			if (planned && plan != n) error++
			print "PASS", pass + 0; print "FAIL", fail + 0
			print "SKIP", skip + 0; print "ERROR", error + 0
		}' "$1"
}

# The same from the summaries that make check prints, or where it did not come to that from the
# result files of this run.
automake_counts() {
	local stage=$1 log=$2
	if grep -q '^Testsuite summary' "$log"; then
		sed -n 's/^# \(PASS\|SKIP\|XFAIL\|FAIL\|XPASS\|ERROR\): *\([0-9]*\)$/\1 \2/p' "$log"
	else
		result_files "$stage" | xargs -r -d '\n' sed -n 's/^:test-result: \([A-Z]*\).*/\1 1/p'
	fi
}

folder_of() {
	case $1 in
	check | distcheck) echo "$build/gcc" ;;
	*) echo "$build/$1" ;;
	esac
}

# Automake's result files that are newer than the stage's beginning.
result_files() {
	local folder
	folder=$(folder_of "$1")
	[ -d "$folder" ] || return 0
	find "$folder" -name '*.trs' -newer "$scratch/begin"
}

# show_failures STAGE LOG
show_failures() {
	local stage=$1 log=$2 result shown=0
	case $stage in
	interop)
		# Each case that failed with the comments around it.
		awk '/^ok( |$)/ { show = 0; held = ""; next }
			/^not ok( |$)/ { print held $0; show = 1; held = ""; next }
			show { print; next }
			{ held = held $0 "\n" }' "$log" | tail -n 200
		grep -q '^not ok' "$log" && shown=1
		;;
	fuzz) ;;
	*)
		while read -r result; do
			grep -qE '^:global-test-result: (FAIL|XPASS|ERROR)' "$result" || continue
			say "--- ${result%.trs}.log"
			grep -vE '^(ok |PASS: |SKIP: )' "${result%.trs}.log" | tail -n 150 || :
			shown=1
		done < <(result_files "$stage")
		;;
	esac
	if [ "$shown" -eq 0 ]; then
		say "--- the end of $log"
		tail -n 60 "$log"
	fi
}

run_stage() {
	local stage=$1 log=$logs/$1.log status=0 begin=$SECONDS pid
	say "== $stage"
	: >"$scratch/begin"
	# timeout makes itself the leader of a process group. Output goes to a file and not through a
	# pipe, which a daemon that was left behind would keep open.
	timeout -k 30 "${limits[$stage]}" bash "$top/contrib/run-tests.sh" --stage "$stage" \
		</dev/null >"$log" 2>&1 &
	pid=$!
	current=$pid
	wait "$pid" || status=$?
	kill -KILL -- "-$pid" 2>/dev/null || :
	current=
	sweep "$stage"
	counts "$stage" "$log"
	if [ "$status" -ne 0 ] && [ "$stage_failed" -eq 0 ]; then
		stage_failed=1
		if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
			say "stage $stage was ended after ${limits[$stage]} seconds"
		else
			say "stage $stage broke down (status $status)"
		fi
	fi
	[ "$stage_failed" -eq 0 ] || show_failures "$stage" "$log"
	printf '   %s: %d passed, %d failed, %d skipped; %d s, %s\n' "$stage" "$stage_passed" \
		"$stage_failed" "$stage_skipped" "$((SECONDS - begin))" "$log"
	passed=$((passed + stage_passed))
	failed=$((failed + stage_failed))
	skipped=$((skipped + stage_skipped))
}

finish() {
	if [ -n "${current-}" ]; then
		kill -KILL -- "-$current" 2>/dev/null || :
	fi
	sweep "the end" >/dev/null || :
	rm -rf --one-file-system "$scratch"
}

stages=("$@")
[ $# -gt 0 ] || stages=("${all_stages[@]}")
for stage in "${stages[@]}"; do
	[ -n "${limits[$stage]-}" ] ||
		die 1 "there is no stage \"$stage\": one of ${all_stages[*]} fuzz"
done

mkdir -p "$logs" || die 1 "cannot write in $build: it belongs to somebody else"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ckptfuse-tests.XXXXXX")
export TMPDIR=$scratch
current=
trap finish EXIT
trap 'exit 130' INT TERM HUP

passed=0 failed=0 skipped=0
run_stage packages
for stage in "${stages[@]}"; do
	[ "$stage" = packages ] || run_stage "$stage"
done

say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
