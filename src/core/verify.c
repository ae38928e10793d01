/*
 * verify.c - the stored checksums against the bytes (ck_var_verify of read.h).
 */
#include "core/read.h"

#include "core/strings.h"
#include "util/crc32c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PIECE (1u << 20)

/* Continues crc over n bytes of the shard at off and compares. */
static int check_range(struct ck_model *m, const struct ck_var *v, uint32_t shard, uint64_t off,
		       uint64_t n, uint32_t crc, uint32_t stored, struct ck_err *err)
{
	struct ck_source *s = m->shards[shard].source;
	struct ck_span name = ck_var_name(m, v);
	char quoted[CK_QUOTE_ROOM];
	uint64_t from = off, left = n;
	uint8_t *piece = malloc(left < PIECE ? (left ? left : 1) : PIECE);
	int r = 0;

	if (!piece)
		return ck_fail_nomem(err, ck_source_path(s));
	while (left && r == 0) {
		size_t k = left < PIECE ? (size_t)left : PIECE;

		r = ck_source_read(s, off, piece, k, err);
		if (r == 0)
			crc = ck_crc32c_extend(crc, piece, k);
		off += k;
		left -= k;
	}
	free(piece);
	if (r == 0 && crc != stored)
		r = ck_fail(err, CK_CORRUPT, EIO,
			    "%s: damaged: variable %s: the %" PRIu64 " bytes at byte %" PRIu64
			    " do not match their checksum (%08" PRIx32 ", stored %08" PRIx32
			    "): restore the file from a backup or download it again",
			    ck_source_path(s), ck_quote(quoted, sizeof(quoted), name.p, name.n), n,
			    from, crc, stored);
	return r;
}

int ck_var_verify(struct ck_model *m, uint32_t var, struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	struct ck_strings_layout layout = { 0 };
	int r = ck_var_readable(m, var, err);

	if (r < 0)
		return r;
	if (v->flags & CK_VAR_SLICED) {
		for (uint32_t i = 0; i < v->shard && r == 0; i++) {
			const struct ck_slice *s = &m->slices[v->offset + i];

			r = check_range(m, v, s->shard, s->offset, s->nbytes, 0, s->crc32c, err);
		}
		return r;
	}
	if (v->dtype == CK_DT_STRING)
		r = ck_strings_scan(m, var, NULL, NULL, &layout, err);
	if (r == 0)
		r = check_range(m, v, v->shard, v->offset + layout.head, v->nbytes - layout.head,
				layout.crc, v->crc32c, err);
	return r;
}
