# lint.bats - the rules of doc/ARCHITECTURE.md, as far as a machine can tell.

load helper

setup() {
	cd "$SRCDIR" || return
}

# none WHAT COMMAND...: fails, showing them, if the command prints any lines.
none() {
	local what=$1 lines
	shift
	lines=$("$@" || :)
	[ -z "$lines" ] && return
	echo "$what:"
	echo "$lines"
	return 1
}

sources() {
	find src -name '*.[ch]' | sort
}

sources_of_library() {
	find src/util src/base src/io src/model src/format src/journal src/core src/saver -name '*.[ch]' | sort
}

# Includes of one room that name a room it may not know.
foreign_includes() {
	local room=$1 allowed=" $2 " file line target
	grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' -r "src/$room" --include='*.[ch]' |
		while IFS=: read -r file line target; do
			target=${target#*\"}
			target=${target%%\"*}
			case $allowed in
			*" ${target%%/*} "*) ;;
			*) echo "$file:$line: \"$target\"" ;;
			esac
		done
}

@test "util includes util only" {
	none "not its own" foreign_includes util "util"
}

@test "base includes util at most" {
	none "below base" foreign_includes base "util base"
}

@test "io includes nothing below it" {
	none "below io" foreign_includes io "util base io"
}

@test "model includes nothing below it" {
	none "below model" foreign_includes model "util base io model"
}

@test "format includes nothing below it" {
	none "below format" foreign_includes format "util base io model format"
}

@test "journal knows files, not checkpoints" {
	none "not for the journal" foreign_includes journal "util base io journal"
}

@test "core includes nothing below it" {
	none "below core" foreign_includes core "util base io model format journal core"
}

@test "saver includes nothing below it" {
	none "below saver" foreign_includes saver "util base io model format journal core saver"
}

# What of a room is for others: the rest of the saver is its own affair.
saver_insides() {
	grep -HnE '#[[:space:]]*include[[:space:]]*"saver/' -r src/fuse src/cli --include='*.[ch]' |
		grep -vE '"saver/(stage|varmeta)\.h"'
}

@test "the mount and the commands see the saver by its front door" {
	none "inside the saver" saver_insides
}

@test "the mount sees no format and no journal" {
	none "not for the mount" foreign_includes fuse "util base io model core saver fuse"
}

@test "the commands see no FUSE" {
	none "not for the commands" \
		foreign_includes cli "util base io model format journal core saver cli"
}

# Opening, writing and renaming go through the table, so that tests can put another in its place.
system_calls() {
	local names='open|openat|pwrite|write|rename|renameat|unlink|link|symlink|fsync'
	names+='|fdatasync|ftruncate|mkstemp'
	grep -rnHE --include='*.[ch]' "(^|[^_[:alnum:]>.])($names)[[:space:]]*\\(" src/journal src/saver |
		grep -vE '^[^:]*:[0-9]*:[[:space:]]*(\*|/\*|//)' |
		grep -vE '\(\*(open|rename|unlink|link|symlink)\)'
}

@test "the saver and the journal call the system through the table alone" {
	none "past the table" system_calls
}

@test "only the saver and the commands include jansson" {
	none "jansson elsewhere" \
		grep -rnE '#[[:space:]]*include[[:space:]]*<jansson' src --include='*.[ch]' \
		--exclude-dir=saver --exclude-dir=cli
}

@test "only src/fuse includes FUSE's headers" {
	none "FUSE elsewhere" \
		grep -rnE '#[[:space:]]*include[[:space:]]*<fuse' src --include='*.[ch]' \
		--exclude-dir=fuse
}

@test "only src/format includes snappy" {
	none "snappy elsewhere" \
		grep -rnE '#[[:space:]]*include[[:space:]]*<snappy' src --include='*.[ch]' \
		--exclude-dir=format
}

@test "only src/util includes ISA-L" {
	none "ISA-L elsewhere" \
		grep -rnE '#[[:space:]]*include[[:space:]]*<isa-l' src --include='*.[ch]' \
		--exclude-dir=util
}

undefined_fuse_symbols() {
	nm -u "$BUILDDIR/libckpt.a" 2>/dev/null | grep -E '[[:space:]]fuse_'
}

@test "the library calls nothing of FUSE" {
	[ -f "$BUILDDIR/libckpt.a" ] || skip "not built"
	none "FUSE's functions in libckpt.a" undefined_fuse_symbols
}

# Calls, not comments: lines that begin with * or // are left out.
calls() {
	local names=$1
	shift
	grep -nHE "(^|[^_[:alnum:]])($names)[[:space:]]*\\(" "$@" |
		grep -vE '^[^:]*:[0-9]*:[[:space:]]*(\*|/\*|//)'
}

@test "nothing in src sleeps" {
	# shellcheck disable=SC2046
	none "waiting by the clock" calls 'sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep' \
		$(sources)
}

@test "the library does not print, exit or assert" {
	# shellcheck disable=SC2046
	none "for the programs to do" \
		calls 'v?printf|puts|putchar|perror|exit|_exit|abort|assert' $(sources_of_library)
}

long_files() {
	sources | xargs wc -l | awk '$2 != "total" && $1 > 600'
}

@test "no file of src is over 600 lines" {
	none "too long" long_files
}

# Messages stay in one piece, so that they can be searched for.
long_lines() {
	local file
	while read -r file; do
		expand -t 8 "$file" | LC_ALL=C.UTF-8 sed -n '/"/!{/^.\{101,\}/=}' |
			sed "s|^|$file:|"
	done < <(sources)
}

@test "no line of src is over 100 columns" {
	none "too wide" long_lines
}

@test "indentation is tabs, then fewer than eight spaces" {
	none "spaces for tabs, or spaces before a tab" \
		grep -rnP '^(\t* {8}|\t* +\t)' src tests/unit tests/fuzz tests/crash --include='*.[ch]'
}

@test "no trailing blanks, no carriage returns" {
	none "at the end of a line" \
		grep -rnP '[ \t\r]+$' src tests/unit tests/fuzz tests/crash tests/bats contrib \
		Makefile.am configure.ac --include='*.[ch]' --include='*.bats' --include='*.bash' \
		--include='*.sh' --include='*.mk' --include='*.py' --include=Makefile.am \
		--include=configure.ac
}

without_newline() {
	local file
	while read -r file; do
		[ -z "$(tail -c 1 "$file")" ] || echo "$file"
	done < <(sources)
}

@test "every file of src ends in a newline" {
	none "no newline at the end" without_newline
}

without_comment() {
	local file
	while read -r file; do
		case $(head -c 2 "$file") in
		'/*') ;;
		*) echo "$file" ;;
		esac
	done < <(sources)
}

@test "every file of src begins with what it is for" {
	none "no comment at the top" without_comment
}

unlisted() {
	local file
	while read -r file; do
		grep -qE "%D%/${file#src/}([[:space:]]|\$)" src/local.mk || echo "src/local.mk: $file"
	done < <(sources)
	while read -r file; do
		# A program of one file is listed without the .c.
		file=${file#tests/}
		grep -qE "%D%/${file%.c}(\\.c)?([[:space:]]|\$)" tests/local.mk ||
			echo "tests/local.mk: $file"
	done < <(find tests/unit tests/fuzz tests/crash -name '*.[ch]'; find tests/bats -name '*.ba*')
}

@test "the build knows every source and test" {
	none "not listed" unlisted
}

scripts() {
	find contrib tests -name '*.sh' -o -name '*.bats' -o -name '*.bash' | sort
	[ -f .ci/run ] && echo .ci/run
}

@test "the scripts satisfy shellcheck" {
	command -v shellcheck >/dev/null || skip "no shellcheck here"
	# SC2034: a variable that helper.bash reads looks unused.
	# shellcheck disable=SC2046
	shellcheck -S warning -e SC2034 -x -P SCRIPTDIR $(scripts)
}
