/*
 * space.h - which bytes of a shard are free: where new bytes of variables may be written.
 *
 * Free is what nothing needs: no entry of the published index, no entry of the indexes published
 * once and twice before it (a reader may have opened those: the quarantine), nothing staged, no
 * open file. Bytes behind the end of all these are free without bound.
 *
 * The quarantine outlives the program as an extended attribute of the index file, set before the
 * file gets its name, so that it belongs to exactly that index:
 *
 *   user.ckptfuse.quarantine: uint8 version (1), then for each span varint64 shard, varint64 age
 *   (1: died with this index, 2: with the one before), varint64 offset, varint64 length
 *
 * at most CK_QUARANTINE_SPANS of them; more are joined to larger spans, which is safe as only dead
 * bytes are ever looked up. Where the index has no such attribute (TensorFlow wrote it, the file
 * system has none, or there are more shards than spans) all that is dead counts as having died just
 * now.
 *
 * Pure arithmetic, no I/O. Not thread-safe.
 */
#ifndef CK_SAVER_SPACE_H
#define CK_SAVER_SPACE_H

#include "util/buf.h"

#define CK_QUARANTINE_SPANS 64
#define CK_QUARANTINE_XATTR "user.ckptfuse.quarantine"

struct ck_range {
	uint64_t off, len;
};

struct ck_ranges { /* sorted, disjoint, not adjacent */
	struct ck_range *v;
	size_t n, room;
};

void ck_ranges_done(struct ck_ranges *r);
/* Adds one in any order; ck_ranges_settle() then sorts and joins. -EOVERFLOW where it ends past
 * int64; an empty one is not kept. */
int ck_ranges_add(struct ck_ranges *r, uint64_t off, uint64_t len);
void ck_ranges_sort(struct ck_ranges *r); /* by where they begin, not joined */
void ck_ranges_settle(struct ck_ranges *r);
/* Whether a settled set meets the range. */
bool ck_ranges_meet(const struct ck_ranges *r, uint64_t off, uint64_t len);
/* *ret (empty) = what of a is not in b; both settled. */
int ck_ranges_minus(const struct ck_ranges *a, const struct ck_ranges *b, struct ck_ranges *ret);
uint64_t ck_ranges_total(const struct ck_ranges *r);
/* Joins neighbours across the smallest gaps until there are at most n. */
void ck_ranges_coarsen(struct ck_ranges *r, size_t n);

struct ck_space; /* of one shard */

/* used: settled; what must not be written to below `end`. end: bytes from there on are free (what
 * `used` says of them does not count). */
struct ck_space *ck_space_new(const struct ck_ranges *used, uint64_t end);
struct ck_space *ck_space_free(struct ck_space *s); /* accepts NULL; returns NULL */

/* n bytes at a place of its choice: the smallest free range that holds them, else at the end. The
 * place is congruent to `like` modulo `block` (a power of two; 1 for anywhere). -EFBIG past int64,
 * -ENOMEM. No bytes: some place, and nothing is allocated. */
int ck_space_alloc(struct ck_space *s, uint64_t n, uint64_t like, uint64_t block, uint64_t *ret);
/* Makes the allocation that ends at `at` longer by n bytes: true where those are free. */
bool ck_space_extend(struct ck_space *s, uint64_t at, uint64_t n);
/* Free again at once. -EINVAL where part of it is free already; -ENOMEM: it stays allocated. */
int ck_space_give_back(struct ck_space *s, uint64_t off, uint64_t n);
/* Behind all that is used or allocated; at first that may be before the `end` given. */
uint64_t ck_space_end(const struct ck_space *s);

/* The quarantine of a whole bundle. */
struct ck_quarantine {
	struct {
		uint32_t shard;
		uint32_t age; /* 1 or 2 */
		struct ck_ranges ranges;
	} *v;
	size_t n;
};

/* Adds ranges that died; age 1 or 2. -EINVAL, -EOVERFLOW, -ENOMEM. */
int ck_quarantine_add(struct ck_quarantine *q, uint32_t shard, uint32_t age, uint64_t off,
		      uint64_t len);
/* One publish later: what had age 2 leaves, age 1 becomes 2. */
void ck_quarantine_age(struct ck_quarantine *q);
/* The shard's spans of both ages are added to *ret. */
int ck_quarantine_ranges(const struct ck_quarantine *q, uint32_t shard, struct ck_ranges *ret);
/* Appends the attribute's value. -E2BIG where more shards than spans have dead bytes. */
int ck_quarantine_encode(const struct ck_quarantine *q, struct ck_buf *out);
/* -EBADMSG where it is none; bounds: see above. */
int ck_quarantine_decode(struct ck_span s, struct ck_quarantine *ret);
void ck_quarantine_done(struct ck_quarantine *q);

#endif
