/*
 * extmap.h - what each byte of a file is made of: ordered extents without gaps.
 *
 * A map covers [0, size). Setting a range splits and replaces what was there; neighbours that
 * continue each other (same kind, same place going on) are joined, so that a file written from
 * front to back is one extent however many writes it took. A million extents (random writes of
 * 4 KiB) are usual: finding, setting and joining take O(log n) or a bounded scan, never a move of
 * the whole array.
 *
 * An extent may know the CRC-32C of its bytes (crc_ok). Joining two that know theirs keeps it
 * (ck_crc32c_combine); splitting one loses it.
 *
 * Not thread-safe: the caller's lock.
 */
#ifndef CK_SAVER_EXTMAP_H
#define CK_SAVER_EXTMAP_H

#include <stdbool.h>
#include <stdint.h>

enum ck_ext_kind {
	CK_EXT_ZERO, /* zeros that are stored nowhere */
	CK_EXT_BASE, /* bytes of the variable as the checkpoint has it; at: byte of V */
	CK_EXT_SHARD, /* bytes of a shard; at: byte of it, which: the stage's shard number */
	CK_EXT_JOURNAL, /* bytes of a record; at: byte of the journal */
};

struct ck_ext {
	uint64_t off; /* first byte in the file */
	uint64_t len; /* > 0 */
	uint64_t at;
	uint32_t which;
	uint32_t crc; /* of the bytes, where crc_ok */
	uint8_t kind; /* enum ck_ext_kind */
	bool crc_ok;
	bool logged; /* the journal has a record of it */
	bool durable; /* its bytes were synced */
};

struct ck_extmap;

struct ck_extmap *ck_extmap_new(void); /* empty, or NULL */
struct ck_extmap *ck_extmap_free(struct ck_extmap *m); /* accepts NULL; returns NULL */

uint64_t ck_extmap_size(const struct ck_extmap *m);
uint64_t ck_extmap_count(const struct ck_extmap *m); /* extents */

/* Replaces what is at e->off ... e->off + e->len. A hole between the old end and e->off becomes
 * ZERO, neither logged nor durable. 0, or -ENOMEM with the map unchanged; -EFBIG where the end does
 * not fit int64. Joins with the neighbours where kind, which, place and both flags go together;
 * zeros have no place, and lose what e says of one. */
int ck_extmap_set(struct ck_extmap *m, const struct ck_ext *e);

/* Cuts to, or extends with ZERO to, size. */
int ck_extmap_resize(struct ck_extmap *m, uint64_t size);

/* The extent that holds byte off; false where off is at or past the end. *ret is a copy. */
bool ck_extmap_get(const struct ck_extmap *m, uint64_t off, struct ck_ext *ret);

/* Calls fn for all extents in order. Nothing is changed: others may read the map meanwhile. A
 * non-zero answer ends the walk and is returned. */
int ck_extmap_each(const struct ck_extmap *m, int (*fn)(void *arg, const struct ck_ext *e),
		   void *arg);

/* Calls fn for all extents in order; it may change crc, crc_ok, logged and durable, and those that
 * then go together are joined. It must not use the map. A non-zero answer ends the walk and is
 * returned; what fn changed until then stays. */
int ck_extmap_walk(struct ck_extmap *m, int (*fn)(void *arg, struct ck_ext *e), void *arg);

#endif
