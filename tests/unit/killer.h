/*
 * killer.h - a program that edits a mount until its daemon is killed, and one that says afterwards
 * whether what is there may be there. Both parts and what they share; see killer.c.
 *
 * A writer has a folder of its own with up to NAMES files, and writes down each call that it makes:
 * what, when it began and ended, and what came of it. The state after each call is a function of
 * the notes alone. What a mount must show after a crash is then a question of time: of all writers
 * the states of one moment, no earlier than the beginning of the last call that promised something.
 */
#ifndef CK_TESTS_KILLER_H
#define CK_TESTS_KILLER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define NAMES 10
#define SIZE_MAX_HERE 20000 /* of a file; one write is one request to the daemon */
#define NEVER INT64_MAX

extern const char *const names[NAMES];

enum what {
	OP_BASE, /* what was there: the content follows */
	OP_PWRITE, /* bytes of a file in place */
	OP_REPLACE, /* a scratch file renamed onto one of the same size; durable when it returns */
	OP_NEW, /* a scratch file that has a type, renamed to where nothing was */
	OP_CREATE, /* an empty file where nothing was, or cut to nothing */
	OP_META, /* V.json written: nothing of V changes */
	OP_UNLINK,
	OP_RENAME,
	OP_SWAP,
	OP_MOVEDIR, /* s to t, or (a = 1) back */
	OP_FSYNC,
	OP_COMMIT,
	OP_SYNC, /* fsync of the root, which publishes */
};

struct op {
	int32_t what, rc; /* rc: 0, an errno, or -1 where the daemon died meanwhile */
	int32_t a, b; /* of names */
	uint32_t off, len;
	uint64_t seed; /* of the bytes */
	int64_t begin, end; /* ns; end NEVER where rc is -1 */
};

struct file {
	bool there;
	uint32_t size;
	uint8_t *p; /* SIZE_MAX_HERE */
};

struct state {
	struct file v[NAMES];
};

int64_t now_ns(void);
void fill(uint8_t *p, size_t n, uint64_t seed);
void state_init(struct state *s);
void state_done(struct state *s);
void state_apply(struct state *s, const struct op *o);
/* What is in the folder now; false where something cannot be read. */
bool state_read(struct state *s, const char *folder);

int killer_work(int argc, char **argv);
int killer_check(int argc, char **argv);

#endif
