/*
 * record.h - the records of a journal: what was staged, in the order in which it was.
 *
 * doc/format-journal.md has the layout byte by byte. A record is an operation on the tree that a
 * writable mount shows, by path; replaying them in order on the checkpoint that the journal was
 * begun on gives back what was staged. Decoding bounds everything by the payload's own size.
 *
 * A path is relative to the tree's root, without a leading '/', of file names as they are shown. A
 * file that PREPARE or COMMIT names lies in the folder of the index; it is a name without '/', so
 * that no journal can have a file removed elsewhere.
 */
#ifndef CK_JOURNAL_RECORD_H
#define CK_JOURNAL_RECORD_H

#include "util/buf.h"

enum ck_rec_type {
	CK_REC_BASE = 1, /* what the journal was begun on: the first record, once */
	CK_REC_CREATE = 2, /* an empty file */
	CK_REC_WRITE = 3, /* bytes of a file, which lie in this record */
	CK_REC_EXTENT = 4, /* bytes of a file, which lie in a shard already */
	CK_REC_TRUNCATE = 5, /* the file's size */
	CK_REC_META = 6, /* metadata of a variable, as JSON */
	CK_REC_UNLINK = 7,
	CK_REC_MKDIR = 8,
	CK_REC_RMDIR = 9,
	CK_REC_RENAME = 10,
	CK_REC_SYNC = 11, /* all bytes that EXTENTs before it point at are durable */
	CK_REC_PREPARE = 12, /* files that publishing is about to make: to be removed if it fails */
	CK_REC_COMMIT = 13, /* published: from here on it is carried out to its end */
	CK_REC_DISCARD = 14, /* what was staged for one path is dropped; the empty path: for all */
};

/* CK_REC_RENAME's flags */
enum {
	CK_REC_EXCHANGE = 1, /* the two change places */
};

/* One shard as it was, or is to be. */
struct ck_rec_shard {
	uint32_t id;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns; /* since 1970 */
	int64_t btime_ns; /* 0: unknown */
	bool touched; /* we may write behind its last live byte: size and mtime may have changed */
};

/* An index by its content. */
struct ck_rec_index {
	bool absent; /* there is none: a new checkpoint */
	uint64_t size;
	uint32_t crc32c; /* of the whole file */
	uint64_t fnv; /* FNV-1a, 64 bits, of the whole file */
};

/* A range of a shard that is redone in place from a record of this journal. */
struct ck_rec_patch {
	uint32_t shard;
	uint64_t offset; /* in the shard */
	uint64_t nbytes;
	uint64_t data; /* byte of the journal at which they lie */
};

struct ck_record {
	enum ck_rec_type type;
	struct ck_span path; /* CREATE, WRITE ... RENAME, DISCARD; COMMIT, PREPARE: see files */
	struct ck_span to; /* RENAME */
	uint32_t flags; /* RENAME */
	uint64_t offset; /* WRITE, EXTENT: in the file; TRUNCATE: the size */
	uint64_t nbytes; /* WRITE, EXTENT */
	/* WRITE: the bytes. META: the JSON text; CREATE, RENAME: likewise, of the metadata that the
	 * file takes from a variable of its name; empty: none. */
	struct ck_span data;
	uint64_t data_at; /* WRITE: byte of the journal where data lies (set by the scan) */
	uint32_t shard; /* EXTENT: CK_REC_STAGE or the shard's id */
	uint64_t shard_offset; /* EXTENT */
	uint32_t crc32c; /* EXTENT: of the bytes */

	/* BASE: what was there. COMMIT: what is to be there. */
	struct ck_rec_index index;
	struct ck_rec_shard *shards; /* BASE: all there are, so that nshards is the N of -of-N */
	uint32_t nshards;
	uint32_t num_shards; /* BASE: as the index says, the N of -of-N */
	struct ck_span source; /* BASE: prefix of the checkpoint that was opened, for people */

	/* File names. PREPARE: files to remove when publishing does not come to its end.
	 * COMMIT: files to remove once it has; paths[0] is the new index's temporary name. */
	struct ck_span *paths;
	uint32_t npaths;
	struct ck_rec_patch *patches; /* COMMIT */
	uint32_t npatches;
};

/* EXTENT.shard: the file that becomes a new shard (P.ckptfuse-data). */
#define CK_REC_STAGE UINT32_MAX

/* Whether r can be written: what this refuses, decoding would refuse. */
bool ck_record_check(const struct ck_record *r);

/* Appends the payload of r to *out. */
void ck_record_encode(const struct ck_record *r, struct ck_buf *out);
/* The same without the data of a WRITE, which is the payload's end. */
void ck_record_encode_head(const struct ck_record *r, struct ck_buf *out);

/* Decodes a payload; spans point into it, arrays are allocated. -EBADMSG where it is none, -ENOMEM.
 * ck_record_done() in any case. */
int ck_record_decode(enum ck_rec_type type, struct ck_span payload, struct ck_record *ret);
void ck_record_done(struct ck_record *r);

/* Whether a file that PREPARE or COMMIT names is one of the bundle with that prefix (a path): what
 * is not must be left alone. */
bool ck_rec_file_is_of(struct ck_span file, const char *prefix);

/* "WRITE", for people; NULL for a number that is no type. */
const char *ck_rec_type_name(enum ck_rec_type t);

#endif
