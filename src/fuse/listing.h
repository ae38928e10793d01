/*
 * listing.h - checkpoint.json: the checkpoint and every variable in it, as one file.
 *
 * A checkpoint of a million variables makes a text of 100 MB. It is neither kept nor rendered as a
 * whole: a first pass measures it and notes where each block of rows begins; a read renders the
 * blocks that it touches. The pass is made when the size is first asked for.
 *
 * All functions may be called by many threads at once.
 */
#ifndef CK_FUSE_LISTING_H
#define CK_FUSE_LISTING_H

#include "model/model.h"
#include "util/buf.h"

#include <pthread.h>

struct ck_listing {
	const char *cwd; /* where the program was started: paths are shown absolute */
	pthread_mutex_t lock;
	bool ready; /* under lock; what follows is constant once it is set */
	struct ck_buf head; /* the text before the rows */
	uint64_t *blocks; /* where in the file each block of rows begins, and where the last ends */
	uint64_t size;
};

/* cwd has to outlive the listing. */
void ck_listing_init(struct ck_listing *l, const char *cwd);
void ck_listing_done(struct ck_listing *l);

int ck_listing_size(struct ck_listing *l, const struct ck_model *m, uint64_t *ret,
		    struct ck_err *err);

/* Appends at most n bytes of the file from off on; fewer only at its end. */
int ck_listing_read(struct ck_listing *l, const struct ck_model *m, uint64_t off, size_t n,
		    struct ck_buf *out, struct ck_err *err);

/* Appends what stands before the rows; CK_LISTING_TAIL stands after them. For those who have rows
 * of their own: a row is "    {...}", with ",\n" behind all but the last, which has "\n". */
void ck_listing_head(const char *cwd, const struct ck_model *m, uint64_t count, uint64_t bytes,
		     struct ck_buf *out);
#define CK_LISTING_TAIL "  ]\n}\n"

#endif
