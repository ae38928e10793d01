/*
 * mkindex.h - makes index files in memory, sound and unsound, for the unit tests.
 *
 * A small writer of sorted tables and of a bundle's messages. It writes whatever it is told:
 * keys out of order, wrong checksums, restart arrays that do not fit. Allocation failure aborts.
 */
#ifndef CK_TESTS_MKINDEX_H
#define CK_TESTS_MKINDEX_H

#include "format/table_write.h"

struct mkindex {
	struct ck_buf file;
	struct ck_buf block; /* entries of the data block under construction */
	struct ck_buf handles; /* entries of the index block */
	struct ck_buf last; /* last key of the block */
	unsigned in_block;
	bool snappy; /* store data blocks compressed */
	unsigned restart_interval; /* 16 unless set */
	unsigned char flip; /* xored into the checksum of the next block closed */
};

void mkindex_start(struct mkindex *t);
/* Adds an entry, sharing the longest prefix with the key before. */
void mkindex_add(struct mkindex *t, const void *key, size_t key_len, const struct ck_buf *value);
/* Adds an entry with a shared length of the caller's choice. */
void mkindex_add_raw(struct mkindex *t, unsigned shared, const void *suffix, size_t n,
		     const struct ck_buf *value);
/* Ends the data block. */
void mkindex_cut(struct mkindex *t);
/* Ends the file; its bytes are t->file. */
void mkindex_end(struct mkindex *t);
void mkindex_done(struct mkindex *t);

/* Entries in any order, of which the writer under test makes a table. */
struct mkrow {
	struct ck_buf key, value;
};

struct mkrows {
	struct mkrow *v;
	size_t n;
};

/* Adds an entry; answers with its value, to be filled before the next is added. */
struct ck_buf *mkrows_add(struct mkrows *t, const void *key, size_t n);
/* Sorts the entries, appends the table to *file, and forgets them. */
void mkrows_finish(struct mkrows *t, struct ck_buf *file);

/* Where a table writer's bytes are collected. */
struct ck_sink mkindex_sink(struct ck_buf *file);

/* Protocol buffer fields. */
void put_varint_field(struct ck_buf *b, unsigned number, uint64_t value);
void put_bytes_field(struct ck_buf *b, unsigned number, const struct ck_buf *value);
void put_fixed32_field(struct ck_buf *b, unsigned number, uint32_t value);

/* A header of num_shards, and an entry with its checksum (unmasked). */
void put_header(struct ck_buf *b, unsigned num_shards, bool big_endian);
void put_entry(struct ck_buf *b, unsigned dtype, const uint64_t *shape, unsigned rank,
	       unsigned shard, uint64_t offset, uint64_t size, uint32_t crc);

#endif
