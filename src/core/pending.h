/*
 * pending.h - what the journal beside a checkpoint says to somebody who only reads.
 *
 * Nothing is written, locked or repaired here. A journal whose COMMIT record is there is published,
 * whether or not the files show it yet: the reader takes the new index from where it lies, and lays
 * the ranges that are redone in place over the shards (ck_source_patched). Any other journal means
 * that edits are staged, and changes nothing of what is read. doc/format-journal.md, "What a reader
 * sees", is the specification.
 *
 * A writer may be at work meanwhile. What ck_pending_open() answers was true at one instant; where
 * index_path or the journal cannot be opened afterwards (-ENOENT, -ESTALE), the publish has come to
 * its end, and the caller begins again.
 */
#ifndef CK_CORE_PENDING_H
#define CK_CORE_PENDING_H

#include "io/source.h"
#include "journal/identity.h"

/* What is appended to a bundle's prefix. */
#define CK_SUFFIX_JOURNAL ".ckptfuse-journal" /* the journal, or a pointer to it */
#define CK_SUFFIX_STAGE ".ckptfuse-data" /* what becomes a new shard */
#define CK_SUFFIX_INDEX ".index"
#define CK_SUFFIX_INDEX_NEW ".index.ckptfuse-new" /* the new index before it is renamed */

enum ck_pending_state {
	CK_PENDING_NONE, /* no journal, or one whose making was interrupted */
	CK_PENDING_STAGED, /* edits wait, or none do (edits == 0) */
	CK_PENDING_COMMITTED, /* a publish is not carried out to its end */
	CK_PENDING_FOREIGN, /* the checkpoint is not the one that the journal was begun on */
};

struct ck_pending {
	enum ck_pending_state state;
	char *journal_path; /* where the journal lies; NULL: NONE */
	uint64_t edits; /* records since the last DISCARD of everything */
	uint64_t bytes; /* that were written by them */
	uint64_t size; /* of the journal's valid part */
	uint64_t salt; /* of the journal */
	char *why; /* FOREIGN: what is not as it was, in words; else NULL */
	bool committed; /* it has a COMMIT record; with FOREIGN, what lies there may be a mix */

	/* COMMITTED */
	struct ck_rec_index index; /* the new one */
	char *index_path; /* where it lies; NULL: PREFIX.index is it already */
	/* What is to be read from the journal in place of shards: sorted by shard and offset,
	 * disjoint. patches[i] is of shard shards[i]. */
	struct ck_source_patch *patches;
	uint32_t *shards;
	size_t npatches;
};

/*
 * Looks at the journal of the bundle with that prefix.
 *
 * Errors: CK_BUSY (-EBUSY) where a pointer leads to a journal that is not there; CK_CORRUPT for a
 * damaged journal or pointer, or where the new index of a COMMIT is gone; those of
 * ck_journal_scan().
 */
int ck_pending_open(const struct ck_vfs *vfs, const char *prefix, struct ck_pending *ret,
		    struct ck_err *err);
void ck_pending_done(struct ck_pending *p);

/* The patches of one shard; NULL where it has none. */
const struct ck_source_patch *ck_pending_patches(const struct ck_pending *p, uint32_t shard,
						 size_t *n);

/* Opens the journal that p is about; -ESTALE (CK_BUSY) where another has taken its place. */
int ck_pending_journal(const struct ck_vfs *vfs, const struct ck_pending *p,
		       struct ck_source **ret, struct ck_err *err);

/* Path of the journal of that prefix: beside it, or where a pointer leads. *ret is allocated;
 * -ENOENT where there is neither. */
int ck_pending_find(const struct ck_vfs *vfs, const char *prefix, char **ret, struct ck_err *err);

#endif
