/*
 * faulty.h - a table of calls over another one, some of whose calls go wrong.
 *
 * A test runs the same session again and again, with the first call at fault, then the second and
 * so on; ck_faulty_hit() says when there was no such call any more. Files opened through it
 * have no descriptor, so that every read is counted.
 */
#ifndef CK_TESTS_FAULTY_H
#define CK_TESTS_FAULTY_H

#include "io/vfs.h"

/* Kinds of calls, for a mask. */
enum {
	CK_CALL_OPEN = 1, /* of a file that need not be made */
	CK_CALL_CREATE = 2, /* open with O_CREAT */
	CK_CALL_READ = 4,
	CK_CALL_WRITE = 8,
	CK_CALL_TRUNCATE = 16,
	CK_CALL_SYNC = 32,
	CK_CALL_STAT = 64, /* fstat, stat, lstat, readlink */
	CK_CALL_LOCK = 128,
	CK_CALL_COPY = 256, /* clone, too */
	CK_CALL_SETXATTR = 512,
	CK_CALL_GETXATTR = 1024,
	CK_CALL_RENAME = 2048,
	CK_CALL_LINK = 4096, /* symlink, too */
	CK_CALL_UNLINK = 8192,
	CK_CALL_SYNC_DIR = 16384,
	CK_CALL_ANY = 32767,
	/* What a full disk refuses. */
	CK_CALL_GROWING = CK_CALL_CREATE | CK_CALL_WRITE | CK_CALL_COPY | CK_CALL_SETXATTR |
			  CK_CALL_LINK,
	/* What the system may interrupt, or do in part. */
	CK_CALL_INTERRUPTED = CK_CALL_OPEN | CK_CALL_CREATE | CK_CALL_READ | CK_CALL_WRITE |
			      CK_CALL_TRUNCATE | CK_CALL_SYNC | CK_CALL_COPY,
	CK_CALL_PARTIAL = CK_CALL_READ | CK_CALL_WRITE | CK_CALL_COPY,
};

enum ck_fault {
	CK_FAULT_FAIL, /* nothing is done, and errnum answered */
	CK_FAULT_LATE, /* it is done, and errnum answered */
	CK_FAULT_HALF, /* a write, copy or sync is done in part, and errnum answered */
	CK_FAULT_SHORT, /* half of the bytes are read, written or copied, and the answer says so */
	CK_FAULT_INTERRUPT, /* -EINTR; from there on: every second call */
};

struct ck_faulty {
	struct ck_vfs vfs; /* what is to be used */
	const struct ck_vfs *inner;

	unsigned calls; /* mask of those that count */
	unsigned nth; /* the first that is at fault, from 1 on; 0: none */
	bool from_there_on;
	enum ck_fault how;
	int errnum; /* positive */
	/* Called on the inner file when a sync is answered with an error, before it is. */
	void (*sync_failed)(struct ck_vfile *inner);

	unsigned counted; /* calls so far */
	unsigned hits; /* faults so far */
	char what[200]; /* the first of them: call and path */
	bool healed; /* no more of them */
};

/* Nothing at fault; the caller sets what is to be. The struct must stay where it is. */
void ck_faulty_init(struct ck_faulty *f, const struct ck_vfs *inner);

/* Whether the call at fault was reached. */
static inline bool ck_faulty_hit(const struct ck_faulty *f)
{
	return f->hits > 0;
}

/* The inner file of one that was opened through a faulty table. */
struct ck_vfile *ck_faulty_inner(struct ck_vfile *f);

#endif
