/*
 * log.h - the last messages of a mount, and their way to stderr or syslog.
 *
 * A message is one line, "FILE: what is wrong: what to do". It goes to stderr while the program
 * runs in the foreground, else to syslog, and always into a ring of the last CK_LOG_LINES lines
 * which .ckptfuse/log shows. The same line repeated is counted rather than repeated.
 *
 * All functions are thread-safe. Only the programs log; the library returns errors.
 */
#ifndef CK_BASE_LOG_H
#define CK_BASE_LOG_H

#include "util/buf.h"

#define CK_LOG_LINES 200

enum ck_log_to {
	CK_LOG_STDERR,
	CK_LOG_SYSLOG,
};

/* name: the program's, put before each line. */
void ck_log_open(const char *name, enum ck_log_to to);
void ck_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Appends the ring, oldest first, a line each with its time (UTC, ISO 8601). */
void ck_log_copy(struct ck_buf *out);

#endif
