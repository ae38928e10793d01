/* strings.c - see strings.h. */
#include "core/strings.h"

#include "util/crc32c.h"
#include "util/varint.h"

#include <errno.h>
#include <inttypes.h>

#define WINDOW 65536

/* A window that slides over the bytes of one entry. */
struct scan {
	struct ck_source *source;
	uint64_t next; /* where the window ends in the source */
	uint64_t end; /* where the entry ends */
	struct ck_span left; /* what is left of the window */
	uint8_t bytes[WINDOW];
};

/* Makes n bytes available, where the entry has them, and as many more as fit. */
static int fill(struct scan *s, size_t n, struct ck_err *err)
{
	size_t more;
	int r;

	if (s->left.n >= n || s->next == s->end)
		return 0;
	memmove(s->bytes, s->left.p, s->left.n);
	more = WINDOW - s->left.n;
	if (more > s->end - s->next)
		more = (size_t)(s->end - s->next);
	r = ck_source_read(s->source, s->next, s->bytes + s->left.n, more, err);
	if (r < 0)
		return r;
	s->left = ck_span(s->bytes, s->left.n + more);
	s->next += more;
	return 0;
}

static void put_word(uint8_t *p, uint64_t v, size_t n, bool big_endian)
{
	for (size_t i = 0; i < n; i++)
		p[big_endian ? n - 1 - i : i] = (uint8_t)(v >> (8 * i));
}

static int damaged(const struct ck_model *m, const struct ck_var *v, const char *what,
		   struct ck_err *err)
{
	struct ck_span name = ck_var_name(m, v);
	char quoted[CK_QUOTE_ROOM];

	return ck_fail(err, CK_CORRUPT, EIO,
		       "%s: damaged at byte %" PRIu64 ": string variable %s: %s: restore it from a "
		       "backup or save it again", ck_source_path(m->shards[v->shard].source),
		       v->offset, ck_quote(quoted, sizeof(quoted), name.p, name.n), what);
}

int ck_strings_scan(struct ck_model *m, uint32_t var, ck_length_fn *fn, void *arg,
		    struct ck_strings_layout *ret, struct ck_err *err)
{
	const struct ck_var *v = &m->vars[var];
	uint64_t n = ck_var_elements(m, v), sum = 0;
	uint8_t word[8];
	uint32_t crc = 0;
	struct scan s;
	int r;

	if (v->nbytes == 0) { /* no elements: nothing need be stored */
		if (ret)
			*ret = (struct ck_strings_layout){ 0 };
		return 0;
	}
	s.source = m->shards[v->shard].source;
	s.next = v->offset;
	s.end = v->offset + v->nbytes;
	s.left = ck_span(s.bytes, 0);
	for (uint64_t i = 0; i < n; i++) {
		size_t size;
		uint64_t len;

		r = fill(&s, 10, err);
		if (r < 0)
			return r;
		if (!ck_varint64(&s.left, &len) || !ck_add_u64(sum, len, &sum))
			return damaged(m, v, "its string lengths cannot be read", err);
		size = len > UINT32_MAX ? 8 : 4;
		put_word(word, len, size, m->big_endian);
		crc = ck_crc32c_extend(crc, word, size);
		r = fn ? fn(arg, len) : 0;
		if (r)
			return r;
	}
	r = fill(&s, 4, err);
	if (r < 0)
		return r;
	put_word(word, ck_crc32c_mask(crc), 4, m->big_endian);
	if (s.left.n < 4 || memcmp(word, s.left.p, 4) != 0)
		return damaged(m, v, "the checksum of its string lengths does not match", err);
	if (sum != s.end - s.next + s.left.n - 4)
		return damaged(m, v, "its string lengths do not add up to its size", err);
	if (ret) {
		ret->head = v->nbytes - sum;
		ret->crc = ck_crc32c_extend(crc, word, 4);
	}
	return 0;
}

struct ck_strings *ck_strings_of(struct ck_model *m, uint32_t var)
{
	uint32_t lo = 0, hi = m->nstrings;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->strings[mid].var < var)
			lo = mid + 1;
		else
			hi = mid;
	}
	return &m->strings[lo];
}

int ck_strings_head(struct ck_model *m, uint32_t var, uint64_t *ret, struct ck_err *err)
{
	struct ck_strings *s = ck_strings_of(m, var);
	struct ck_strings_layout layout;
	int r;

	pthread_mutex_lock(&m->strings_lock);
	*ret = s->head;
	r = s->known;
	pthread_mutex_unlock(&m->strings_lock);
	if (r)
		return 0;
	r = ck_strings_scan(m, var, NULL, NULL, &layout, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&m->strings_lock);
	s->head = layout.head;
	s->known = true;
	pthread_mutex_unlock(&m->strings_lock);
	*ret = layout.head;
	return 0;
}
