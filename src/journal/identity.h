/*
 * identity.h - whether files are still those that a journal was begun on.
 *
 * An index is its content: any copy of it is the same. A shard is too large to be read for this; it
 * is known by inode, time of birth, size and time of change, of which the last two are not looked
 * at where we may have written to it ourselves (touched). An older time of change is no sign of
 * anything: a power cut takes back one that was not on the disk yet.
 */
#ifndef CK_JOURNAL_IDENTITY_H
#define CK_JOURNAL_IDENTITY_H

#include "io/vfs.h"
#include "journal/record.h"

/* Reads the whole file. Where there is none: 0, and *ret says absent. */
int ck_rec_index_of(const struct ck_vfs *vfs, const char *path, struct ck_rec_index *ret,
		    struct ck_err *err);
bool ck_rec_index_same(const struct ck_rec_index *a, const struct ck_rec_index *b);

/* What BASE says of a shard that is like st now. */
void ck_rec_shard_of(const struct ck_vstat *st, uint32_t id, bool touched,
		     struct ck_rec_shard *ret);
/* What is other than it was, in words ("was replaced by another file"); NULL where nothing is. A
 * touched shard may have grown, not shrunk. */
const char *ck_rec_shard_differs(const struct ck_rec_shard *was, const struct ck_vstat *st);

#endif
