# Scripts and documents.

EXTRA_DIST += \
	.ci/run \
	%D%/quickstart.sh \
	%D%/run-tests.sh \
	%D%/common.bash \
	%D%/bench/README.md \
	%D%/bench/floor.c \
	%D%/bench/lib.bash \
	%D%/bench/mkbundle.c \
	%D%/bench/readers.c \
	%D%/bench/run.sh \
	%D%/bench/save.sh \
	%D%/bench/timing.h \
	%D%/bench/wfloor.c \
	%D%/bench/writers.c \
	doc/ARCHITECTURE.md \
	doc/format-journal.md

dist_man_MANS = doc/ckptctl.1
if WITH_FUSE
dist_man_MANS += doc/ckptfuse.1
endif

dist_doc_DATA = README.md
