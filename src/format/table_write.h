/*
 * table_write.h - writes a sorted table (table.h) as TensorFlow's TableBuilder does, byte for byte.
 *
 * tsl/lib/io/table_builder.cc, block_builder.cc with the options of BundleWriter: data blocks of
 * 256 KiB, a restart every 16 entries (1 in the index block), no compression. An index key is the
 * shortest string that separates two blocks.
 *
 * One data block is held in memory, and of each one written a key and a handle. After an error,
 * but for -EINVAL of an entry, nothing more can be written. Not thread-safe.
 */
#ifndef CK_FORMAT_TABLE_WRITE_H
#define CK_FORMAT_TABLE_WRITE_H

#include "base/err.h"
#include "util/buf.h"

#define CK_TABLE_BLOCK_SIZE 262144
#define CK_TABLE_RESTART_INTERVAL 16

/* Where the bytes of the table go, in order. */
struct ck_sink {
	int (*write)(void *arg, const void *p, size_t n, struct ck_err *err);
	void *arg;
};

struct ck_table_writer;

int ck_table_writer_new(const struct ck_sink *sink, struct ck_table_writer **ret,
			struct ck_err *err);
/* Keys have to rise strictly: -EINVAL otherwise. */
int ck_table_writer_add(struct ck_table_writer *w, struct ck_span key, struct ck_span value,
			struct ck_err *err);
/* Writes what is left: last block, metaindex, index, footer. */
int ck_table_writer_finish(struct ck_table_writer *w, struct ck_err *err);
/* Bytes given to the sink so far. */
uint64_t ck_table_writer_size(const struct ck_table_writer *w);
/* Accepts NULL; returns NULL. */
struct ck_table_writer *ck_table_writer_free(struct ck_table_writer *w);

#endif
