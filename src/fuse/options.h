/*
 * options.h - what the user asked for: arguments, -o options, mount(8)'s way of calling.
 *
 * Parsing only looks at the words; nothing is opened or resolved. The strings of a parsed struct
 * are its own.
 */
#ifndef CK_FUSE_OPTIONS_H
#define CK_FUSE_OPTIONS_H

#include "base/err.h"
#include "saver/stage.h"

#include <stdbool.h>
#include <stdint.h>

struct ck_options {
	char *source; /* as typed; NULL with help and version */
	char *mountpoint; /* as typed, NULL where it was left out */
	bool helper; /* called by mount(8) as mount.ckptfuse */
	bool help;
	bool version;
	bool fake; /* mount(8) -f: do everything but mount */
	bool foreground;
	bool debug;
	bool single; /* one thread */
	bool clone_fd;
	bool force;
	bool raw_names;
	bool verify_open;
	char sep;
	char *fsname; /* NULL: the source's path */
	char *subdir;
	char *notify_pipe;
	int64_t uid; /* -1: the process' */
	int64_t gid;
	int64_t umask;
	int64_t max_threads; /* -1: libfuse's default */
	double entry_timeout; /* seconds */
	double attr_timeout;
	char *library; /* options for libfuse and the kernel, "a,b,c" escaped; or NULL */

	/* a writable mount, and what goes with one only */
	bool edit;
	bool manual; /* commit=manual: the end of the mount does not publish */
	int64_t commit_seconds; /* commit=N: publish so often as well; 0: not */
	bool create; /* there is no checkpoint yet */
	enum ck_publish_how how;
	char *save; /* as typed, or NULL */
	char *journal;

	/* words that still have to be looked at together; of no use after parsing */
	bool rw;
	bool writable;
	char *verify;
	char *sep_text;
	char *commit_text;
	char *create_text;
	char *publish_text;
};

/* Parses a command line; *o is filled even on failure and wants ck_options_done(). Errors are
 * CK_USAGE, and CK_UNSUPPORTED for what this version cannot do. */
int ck_options_parse(struct ck_options *o, int argc, char **argv, struct ck_err *err);
void ck_options_done(struct ck_options *o);

void ck_options_print_help(void);
void ck_options_print_version(void);

#endif
