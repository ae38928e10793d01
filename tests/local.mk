# Tests. All of them speak TAP, and each case counts singly. Every test_*.c, fuzz_*.c and *.bats
# is listed here: tests/bats/lint.bats compares.

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
BATS_LOG_DRIVER = $(LOG_DRIVER)
BATS_LOG_COMPILER = $(BATS)
# bats' exit status repeats what its lines say.
AM_BATS_LOG_DRIVER_FLAGS = --ignore-exit
AM_BATS_LOG_FLAGS = --tap
TEST_EXTENSIONS = .bats

# Absolute paths: a test runs in a folder of its own. CKPTFUSE is empty in a build without it.
AM_TESTS_ENVIRONMENT = \
	SRCDIR='$(abs_top_srcdir)'; export SRCDIR; \
	BUILDDIR='$(abs_top_builddir)'; export BUILDDIR; \
	CKPTCTL='$(abs_top_builddir)/ckptctl$(EXEEXT)'; export CKPTCTL; \
	CKPTFUSE='$(TESTED_CKPTFUSE)'; export CKPTFUSE; \
	$(SAN_TESTS_ENVIRONMENT)
if WITH_FUSE
TESTED_CKPTFUSE = $(abs_top_builddir)/ckptfuse$(EXEEXT)
else
TESTED_CKPTFUSE =
endif
# A sanitizer's report must not pass for one of the programs' own exit codes.
SAN_TESTS_ENVIRONMENT = \
	ASAN_OPTIONS="exitcode=99:$${ASAN_OPTIONS-}"; export ASAN_OPTIONS; \
	UBSAN_OPTIONS="print_stacktrace=1:$${UBSAN_OPTIONS-}"; export UBSAN_OPTIONS;

# What several tests need: a library, and programs that bats files call. Every program that says
# nothing else is linked with LDADD.

check_LIBRARIES = %D%/libtest.a
%C%_libtest_a_SOURCES = \
	%D%/unit/memfile.c \
	%D%/unit/memfile.h \
	%D%/unit/mkindex.c \
	%D%/unit/mkindex.h \
	%D%/unit/mkrecord.c \
	%D%/unit/mkrecord.h \
	%D%/unit/nomem.c \
	%D%/unit/nomem.h \
	%D%/unit/repair.c \
	%D%/unit/repair.h \
	%D%/unit/stagekit.c \
	%D%/unit/stagekit.h \
	%D%/unit/stagekit_published.c \
	%D%/unit/tap.h
LDADD = %D%/libtest.a $(CKPT_LIBS)

test_tools = \
	%D%/unit/fsop \
	%D%/unit/killer \
	%D%/unit/mutate
check_PROGRAMS += $(test_tools)
%C%_unit_killer_SOURCES = \
	%D%/unit/killer.c \
	%D%/unit/killer.h \
	%D%/unit/killer_check.c \
	%D%/unit/killer_work.c

# Unit tests

unit_tests = \
	%D%/unit/test_bundle \
	%D%/unit/test_encode \
	%D%/unit/test_extmap \
	%D%/unit/test_join \
	%D%/unit/test_journal \
	%D%/unit/test_meta \
	%D%/unit/test_names \
	%D%/unit/test_pending \
	%D%/unit/test_progress \
	%D%/unit/test_record \
	%D%/unit/test_rewrite \
	%D%/unit/test_show \
	%D%/unit/test_sniff \
	%D%/unit/test_source \
	%D%/unit/test_space \
	%D%/unit/test_stage_bytes \
	%D%/unit/test_stage_meta \
	%D%/unit/test_stage_names \
	%D%/unit/test_stage_publish \
	%D%/unit/test_stage_random \
	%D%/unit/test_stage_recover \
	%D%/unit/test_stage_save \
	%D%/unit/test_stage_slices \
	%D%/unit/test_stage_threads \
	%D%/unit/test_table \
	%D%/unit/test_table_write \
	%D%/unit/test_util \
	%D%/unit/test_varmeta \
	%D%/unit/test_vfs
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
%C%_unit_test_stage_save_LDADD = %D%/libcrash.a $(LDADD)
# These have memory run out.
NOMEM_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
%C%_unit_test_extmap_LDFLAGS = $(NOMEM_LINK)
%C%_unit_test_space_LDFLAGS = $(NOMEM_LINK)
%C%_unit_test_varmeta_LDFLAGS = $(NOMEM_LINK)

# The crash laboratory: a disk in memory that loses power, calls that fail, and the saver between

check_LIBRARIES += %D%/libcrash.a
%C%_libcrash_a_SOURCES = \
	%D%/crash/disk.c \
	%D%/crash/disk.h \
	%D%/crash/disk_crash.c \
	%D%/crash/disk_names.c \
	%D%/crash/disk_private.h \
	%D%/crash/disk_store.c \
	%D%/crash/explore.c \
	%D%/crash/explore.h \
	%D%/crash/faulty.c \
	%D%/crash/faulty.h \
	%D%/crash/model.c \
	%D%/crash/model.h \
	%D%/crash/pool.c \
	%D%/crash/pool.h \
	%D%/crash/scripts.c \
	%D%/crash/scripts.h \
	%D%/crash/session.c \
	%D%/crash/session.h \
	%D%/crash/session_view.c
crash_tests = \
	%D%/crash/test_disk \
	%D%/crash/test_faults \
	%D%/crash/test_saver
check_PROGRAMS += $(crash_tests)
TESTS += $(crash_tests)
CRASH_LDADD = %D%/libcrash.a $(LDADD)
%C%_crash_test_disk_LDADD = $(CRASH_LDADD)
%C%_crash_test_faults_LDADD = $(CRASH_LDADD)
%C%_crash_test_saver_LDADD = $(CRASH_LDADD)

# Fuzz targets. In every build each is linked with a main that replays its corpus; where clang's
# fuzzer is there, tests/fuzz/libfuzzer_* look for new inputs as well.

fuzz_replays = \
	%D%/fuzz/fuzz_block \
	%D%/fuzz/fuzz_index \
	%D%/fuzz/fuzz_journal \
	%D%/fuzz/fuzz_messages \
	%D%/fuzz/fuzz_quarantine \
	%D%/fuzz/fuzz_rewrite \
	%D%/fuzz/fuzz_varmeta
check_PROGRAMS += $(fuzz_replays)
TESTS += $(fuzz_replays)
%C%_fuzz_fuzz_block_SOURCES = %D%/fuzz/fuzz_block.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_index_SOURCES = %D%/fuzz/fuzz_index.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_journal_SOURCES = %D%/fuzz/fuzz_journal.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_messages_SOURCES = %D%/fuzz/fuzz_messages.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_quarantine_SOURCES = %D%/fuzz/fuzz_quarantine.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_varmeta_SOURCES = %D%/fuzz/fuzz_varmeta.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_rewrite_SOURCES = %D%/fuzz/fuzz_rewrite.c %D%/fuzz/replay.c

FUZZER_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
if WITH_FUZZERS
noinst_PROGRAMS += \
	%D%/fuzz/libfuzzer_block \
	%D%/fuzz/libfuzzer_index \
	%D%/fuzz/libfuzzer_journal \
	%D%/fuzz/libfuzzer_messages \
	%D%/fuzz/libfuzzer_quarantine \
	%D%/fuzz/libfuzzer_rewrite \
	%D%/fuzz/libfuzzer_varmeta
endif
%C%_fuzz_libfuzzer_block_SOURCES = %D%/fuzz/fuzz_block.c
%C%_fuzz_libfuzzer_block_LDFLAGS = $(FUZZER_LINK)
%C%_fuzz_libfuzzer_index_SOURCES = %D%/fuzz/fuzz_index.c
%C%_fuzz_libfuzzer_index_LDFLAGS = $(FUZZER_LINK)
%C%_fuzz_libfuzzer_journal_SOURCES = %D%/fuzz/fuzz_journal.c
%C%_fuzz_libfuzzer_journal_LDFLAGS = $(FUZZER_LINK)
%C%_fuzz_libfuzzer_messages_SOURCES = %D%/fuzz/fuzz_messages.c
%C%_fuzz_libfuzzer_messages_LDFLAGS = $(FUZZER_LINK)
%C%_fuzz_libfuzzer_quarantine_SOURCES = %D%/fuzz/fuzz_quarantine.c
%C%_fuzz_libfuzzer_quarantine_LDFLAGS = $(FUZZER_LINK)
%C%_fuzz_libfuzzer_varmeta_SOURCES = %D%/fuzz/fuzz_varmeta.c
%C%_fuzz_libfuzzer_varmeta_LDFLAGS = $(FUZZER_LINK)
%C%_fuzz_libfuzzer_rewrite_SOURCES = %D%/fuzz/fuzz_rewrite.c
%C%_fuzz_libfuzzer_rewrite_LDFLAGS = $(FUZZER_LINK)

# The programs as a user meets them

bats_tests = \
	%D%/bats/cli.bats \
	%D%/bats/ctl.bats \
	%D%/bats/ctl_staged.bats \
	%D%/bats/lint.bats \
	%D%/bats/mutation.bats \
	%D%/bats/source.bats
mount_tests = \
	%D%/bats/ctl_mount.bats \
	%D%/bats/edit.bats \
	%D%/bats/edit_files.bats \
	%D%/bats/edit_names.bats \
	%D%/bats/edit_publish.bats \
	%D%/bats/full_disk.bats \
	%D%/bats/kill.bats \
	%D%/bats/mount.bats \
	%D%/bats/mount_life.bats \
	%D%/bats/mount_options.bats \
	%D%/bats/mount_places.bats \
	%D%/bats/tools.bats \
	%D%/bats/tools_copy.bats
if HAVE_BATS
TESTS += $(bats_tests)
if WITH_FUSE
TESTS += $(mount_tests)
endif
endif

EXTRA_DIST += $(bats_tests) $(mount_tests) \
	%D%/bats/ctl.bash \
	%D%/bats/edit.bash \
	%D%/bats/helper.bash \
	%D%/data \
	%D%/fuzz/corpus \
	%D%/interop \
	%D%/fixtures
