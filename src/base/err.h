/*
 * err.h - what went wrong, in words for a person and in numbers for programs.
 *
 * Fallible functions return 0 or a negative errno and take a struct ck_err * as their last
 * argument (NULL is allowed). The first error set wins, so that a cleanup that fails on the way
 * out does not hide the cause. Library code never prints; the two programs print the text once.
 *
 * The text reads "FILE: what is wrong: what to do", without the program's name and newline.
 */
#ifndef CK_BASE_ERR_H
#define CK_BASE_ERR_H

#include <stddef.h>

/* The programs' exit codes (man page), and so the kinds of error there are. */
enum ck_class {
	CK_OK = 0,
	CK_USAGE = 1, /* bad options or arguments */
	CK_MISSING = 2, /* the source does not exist or cannot be read */
	CK_FOREIGN = 3, /* not a checkpoint */
	CK_CORRUPT = 4, /* damaged or truncated */
	CK_UNSUPPORTED = 5, /* a checkpoint, but of a kind this build does not read */
	CK_MOUNT = 6, /* the mount itself failed */
	CK_PUBLISH = 7, /* edits could not be published */
	CK_BUSY = 8, /* somebody else holds it */
};

struct ck_err {
	enum ck_class cls; /* CK_OK: nothing set */
	int errnum; /* positive errno, for a file system's answer */
	char text[1000];
};

#define CK_ERR_INIT { .cls = CK_OK }

/* Fills *err unless it is NULL or already filled; returns -errnum, for "return ck_fail(...)". */
int ck_fail(struct ck_err *err, enum ck_class cls, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Out of memory while doing what; returns -ENOMEM. */
int ck_fail_nomem(struct ck_err *err, const char *what);

/*
 * A name from a file, made fit for a message: in double quotes, control bytes and what is not
 * UTF-8 as \xNN, cut with "..." where it is longer than the room. Returns buf.
 */
char *ck_quote(char *buf, size_t room, const void *name, size_t len);

/* Enough room for most names; longer ones are cut. */
#define CK_QUOTE_ROOM 320

#endif
