/*
 * table.h - the sorted string table that TensorFlow's V2 index and V1 files are.
 *
 * A descendant of LevelDB's table (tsl/lib/io/table.cc, format.cc, block.cc). All fixed-width
 * integers are little endian:
 *
 *   data block 0 | trailer ... data block n-1 | trailer
 *   metaindex block | trailer        empty, never read
 *   index block     | trailer        one entry for each data block: a key not below the block's
 *                                    last, and the block's handle
 *   footer, 48 bytes                 metaindex handle, index handle (varint64 offset and size
 *                                    each), zeros up to 40 bytes, magic 0xdb4775248b80fb57
 *
 *   trailer: uint8 type (0 raw, 1 snappy), uint32 masked CRC-32C of the stored bytes and the type
 *
 *   block:   entry*, uint32 restart[n], uint32 n
 *   entry:   varint32 shared, varint32 unshared, varint32 value length, unshared bytes of the key,
 *            value; the key is the first `shared` bytes of the previous one and those
 *
 * Keys rise strictly over the whole table, by memcmp, then length.
 *
 * Limits. A block lies in memory whole while it is walked, so its raw size is bounded: by the
 * file's size when raw, by what snappy could make of the stored bytes when compressed. Keys shared
 * from one to the next could make a small file expand without end; a writer restarts every 16
 * entries, so the sum of all keys is held to CK_TABLE_KEY_EXPANSION times the blocks' bytes.
 *
 * Not thread-safe; one walk at a time.
 */
#ifndef CK_FORMAT_TABLE_H
#define CK_FORMAT_TABLE_H

#include "io/source.h"

#define CK_TABLE_FOOTER 48
#define CK_TABLE_TRAILER 5
#define CK_TABLE_MAGIC 0xdb4775248b80fb57ull
#define CK_TABLE_KEY_EXPANSION 16

/* Walks the entries of one raw block. */
struct ck_block_cursor {
	struct ck_span left; /* the entries still to come */
	struct ck_span key; /* of the current entry; valid until the next */
	struct ck_span value;
	uint8_t *key_bytes;
	size_t key_room;
};

/* raw: the block's bytes without trailer. -EBADMSG where its restart array does not fit. */
int ck_block_open(struct ck_block_cursor *c, struct ck_span raw);
/* 1: key and value hold the next entry; 0: end; -EBADMSG: bad entry; -ENOMEM. */
int ck_block_next(struct ck_block_cursor *c);
void ck_block_done(struct ck_block_cursor *c);

/* What a walk is told. */
struct ck_table_visitor {
	/* An entry of the block at byte `block`; the spans are valid during the call. Non-zero ends
	 * the walk with that answer. */
	int (*entry)(void *arg, uint64_t block, struct ck_span key, struct ck_span value,
		     struct ck_err *err);
	/* A data block that cannot be used. NULL, or a non-zero answer, ends the walk with why;
	 * 0 goes on with the next block. */
	int (*damage)(void *arg, const struct ck_err *why);
	void *arg;
};

/* Calls v->entry for every entry in key order. Errors: CK_FOREIGN when the file does not end in a
 * table's footer, CK_CORRUPT when it does and something else is wrong. */
int ck_table_walk(struct ck_source *s, const struct ck_table_visitor *v, struct ck_err *err);

/* Whether the source ends like a table. */
bool ck_table_probe(struct ck_source *s);

#endif
