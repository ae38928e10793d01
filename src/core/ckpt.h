/*
 * ckpt.h - open whatever path a user has in hand.
 *
 * The one entry to the library: the mount and the commands call ck_open() and then work on the
 * model (model.h, read.h, meta.h) and the tree (tree.h) that it leads to.
 */
#ifndef CK_CORE_CKPT_H
#define CK_CORE_CKPT_H

#include "model/model.h"

enum {
	CK_OPEN_FORCE = 1, /* a damaged checkpoint: open what is readable */
	CK_OPEN_RAW = 2, /* as the files stand, whatever a journal says */
};

/*
 * Opens SOURCE: a bundle's prefix, its .index, one of its .data-* shards, its .meta, a SavedModel
 * folder or its saved_model.pb. *ret has one reference.
 *
 * Errors: CK_MISSING, CK_FOREIGN (one line says what it looks like and what was expected),
 * CK_CORRUPT, CK_UNSUPPORTED, CK_BUSY (the journal lies elsewhere, and is not there); see err.h.
 */
int ck_open(const char *source, unsigned flags, struct ck_model **ret, struct ck_err *err);

/*
 * The same for a bundle whose prefix is known, through a table of calls. Where a publish was
 * committed and not carried out to its end (core/pending.h), what it comes to is what is opened,
 * read through the journal; nothing is written. CK_OPEN_RAW leaves the journal alone.
 */
int ck_open_prefix(const struct ck_vfs *vfs, const char *prefix, unsigned flags,
		   struct ck_model **ret, struct ck_err *err);

/* What ck_open would open, without opening it: for mount point checks and messages. */
struct ck_location {
	char *prefix; /* path of the bundle without its suffixes, not resolved */
	char *folder; /* the folder that SOURCE stands for (a SavedModel), NULL for a bundle */
};

int ck_locate(const char *source, struct ck_location *ret, struct ck_err *err);
void ck_location_done(struct ck_location *l);

#endif
