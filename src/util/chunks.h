/*
 * chunks.h - an ordered sequence of small records that is cheap to insert into anywhere.
 *
 * Two levels: an array of chunks, each an array of at most CK_CHUNK_MAX records. Finding is two
 * binary searches. Inserting moves the rest of one chunk, and once in a hundred times or so the
 * array of chunks, which is a hundred times shorter than the sequence. Appending leaves full
 * chunks behind; a sequence of a few records takes little more than these.
 *
 * Who inserts reserves first: only that can fail, and it changes no record, so that an operation
 * of several steps is done whole or not at all.
 *
 * Records are moved by memcpy; pointers to them and positions hold until the next insert, erase or
 * reserve. Not thread-safe.
 */
#ifndef CK_UTIL_CHUNKS_H
#define CK_UTIL_CHUNKS_H

#include "util/bytes.h"

#define CK_CHUNK_MAX 256

struct ck_chunk {
	uint8_t *v;
	uint32_t n, room; /* records */
};

struct ck_chunks {
	struct ck_chunk *v;
	size_t n, room;
	uint64_t count; /* records */
	size_t size; /* bytes of a record */
};

#define CK_CHUNKS_INIT(type) { .size = sizeof(type) }

/* A record of a sequence; behind the last one: { c->n, 0 }. */
struct ck_chunk_pos {
	size_t chunk;
	uint32_t i;
};

/* memcmp's way: how the key compares with the record. */
typedef int ck_chunk_cmp(const void *key, const void *record);

void ck_chunks_done(struct ck_chunks *c);

/* The record there, NULL behind the last one. */
static inline void *ck_chunks_at(const struct ck_chunks *c, struct ck_chunk_pos p)
{
	if (p.chunk >= c->n || p.i >= c->v[p.chunk].n)
		return NULL;
	return c->v[p.chunk].v + p.i * c->size;
}

static inline struct ck_chunk_pos ck_chunks_next(const struct ck_chunks *c, struct ck_chunk_pos p)
{
	if (p.chunk < c->n && ++p.i >= c->v[p.chunk].n)
		p = (struct ck_chunk_pos){ p.chunk + 1, 0 };
	return p;
}

static inline struct ck_chunk_pos ck_chunks_end(const struct ck_chunks *c)
{
	return (struct ck_chunk_pos){ c->n, 0 };
}

/* Steps back from a record or from the end; false, with *p unchanged, at the first one. */
bool ck_chunks_prev(const struct ck_chunks *c, struct ck_chunk_pos *p);

/* The first record that comes after key. */
struct ck_chunk_pos ck_chunks_after(const struct ck_chunks *c, const void *key, ck_chunk_cmp *cmp);

/* Room for n (1 or 2) inserts around *p, wherever between the records before and at it, or these
 * and their neighbours in the same chunk. *p goes on to mean the same place. Where there was no
 * record at all, at least one insert has to follow. 0 or -ENOMEM. */
int ck_chunks_reserve(struct ck_chunks *c, struct ck_chunk_pos *p, uint32_t n);

/* Puts a record before the one at p, or behind the last one of p's chunk; room was reserved. */
void ck_chunks_insert(struct ck_chunks *c, struct ck_chunk_pos p, const void *record);

/* Removes the records from `from` on up to, without, the one at `to`. */
void ck_chunks_erase(struct ck_chunks *c, struct ck_chunk_pos from, struct ck_chunk_pos to);

#endif
