/*
 * model.h - what a checkpoint that is edited must be: every byte of every file, in plain arrays.
 *
 * The reference that the saver is compared with. A model is the whole tree at one moment: variables
 * with their metadata, and scratch files. Steps are single calls on the tree (a write, a rename);
 * model_apply() does one, by the rules of the contract, with nothing clever in it: whole copies,
 * linear searches, a handful of files. What has no rule there is not among the steps.
 *
 * Running out of room or memory aborts.
 */
#ifndef CK_TESTS_MODEL_H
#define CK_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_FILES 24
#define MODEL_NAME 48
#define MODEL_RANK 4

struct model_meta {
	bool known; /* dtype and shape */
	char dtype[16];
	unsigned rank;
	uint64_t shape[MODEL_RANK];
	uint64_t strings; /* of a string tensor that is no scalar: sum of the lengths */
};

struct model_file {
	unsigned id; /* stays through renames */
	char name[MODEL_NAME];
	struct model_meta meta;
	uint8_t *p;
	size_t n;
};

/* What a variable of that name had when it went. */
struct model_memory {
	char name[MODEL_NAME];
	struct model_meta meta;
};

struct model {
	struct model_file files[MODEL_FILES]; /* sorted by name */
	size_t nfiles;
	struct model_memory memory[MODEL_FILES];
	size_t nmemory;
	unsigned next_id;
	unsigned handle; /* id of the file that is held open; 0: none */
};

enum step_kind {
	STEP_CREATE, /* makes the file and holds it open */
	STEP_OPEN, /* holds it open; with trunc it is emptied */
	STEP_HWRITE, /* to the file that is held */
	STEP_CLOSE,
	STEP_WRITE, /* opens, writes, closes */
	STEP_TRUNCATE, /* by path; n: size */
	STEP_ZERO, /* punches a hole: off, n */
	STEP_META, /* writes V.json: rank, shape, dtype (NULL: stays) */
	STEP_RENAME, /* a scope where the name ends in '/' */
	STEP_EXCHANGE,
	STEP_UNLINK,
	STEP_SYNC, /* fsync of the file, of the root where name is NULL */
	STEP_PUBLISH, /* in a session that saves: to the other prefix */
	STEP_DISCARD, /* all of it */
	STEP_COMPACT,
	STEP_REOPEN, /* closes the checkpoint and opens it again */
};

struct step {
	enum step_kind kind;
	const char *name, *to;
	uint64_t off;
	size_t n;
	uint8_t fill; /* bytes that are written are model_byte(fill, i) */
	bool trunc;
	const char *dtype;
	unsigned rank;
	uint64_t shape[MODEL_RANK];
};

static inline uint8_t model_byte(uint8_t fill, uint64_t i)
{
	return (uint8_t)(fill + 7 * i + (i >> 8));
}

struct model *model_new(void);
struct model *model_copy(const struct model *m);
struct model *model_free(struct model *m); /* accepts NULL; returns NULL */

struct model_file *model_find(struct model *m, const char *name);
/* Adds a file, with n zeros for bytes; its name must be new. */
struct model_file *model_add(struct model *m, const char *name, const struct model_meta *meta,
			     size_t n);
bool model_is_scratch(const char *name);
/* Whether it cannot be published as it is. */
bool model_is_unfinished(const struct model_file *f);
/* The variables' number that are. */
unsigned model_unfinished(const struct model *m);

/* Does a step; published is what STEP_DISCARD goes back to. Answers what the saver has to: 0 or a
 * negative errno. *m is unchanged where that is not 0. */
int model_apply(struct model *m, const struct step *s, const struct model *published);

/* Whether the two have the same files, names, metadata and bytes; of variables alone where scratch
 * is false. why (may be NULL): what differs. */
bool model_equal(const struct model *a, const struct model *b, bool scratch, char *why,
		 size_t room);

/* Equal for equal models. */
uint64_t model_hash(const struct model *m);

/* "write a 5+4". Returns buf. */
char *step_text(const struct step *s, char *buf, size_t room);

#endif
