/* join.c - see join.h. */
#include "core/join.h"

#include <limits.h>

/* Runs shorter than this are read in one piece and copied: a vector of tiny pieces costs more. */
#define SMALL_RUN 128
#define BOUNCE 65536

/* How a slice's runs lie in the variable. */
struct runs {
	const uint64_t *shape, *start, *extent;
	unsigned k; /* dimensions 0 .. k-1 number the runs */
	uint64_t count;
	uint64_t bytes; /* of one run */
	uint64_t stride; /* bytes of one step in dimension k - 1 */
	uint64_t first; /* where run 0 lies in the variable */
};

static struct runs runs_of(const struct ck_model *m, const struct ck_var *v,
			   const struct ck_slice *s)
{
	struct runs r = {
		.shape = ck_var_shape(m, v),
		.start = m->dims + s->start,
		.extent = m->dims + s->extent,
		.count = 1,
		.bytes = ck_dtype_info(v->dtype)->size,
		.first = s->first,
	};
	unsigned d = v->rank;

	r.stride = r.bytes;
	while (d > 0) {
		d--;
		r.bytes = r.stride * r.extent[d];
		r.stride *= r.shape[d];
		if (r.extent[d] != r.shape[d])
			break;
	}
	r.k = d;
	for (unsigned i = 0; i < r.k; i++)
		r.count *= r.extent[i];
	return r;
}

/* Where run i lies in the variable. */
static uint64_t run_at(const struct runs *r, uint64_t i)
{
	uint64_t at = r->first, stride = r->stride;

	for (unsigned d = r->k; d-- > 0;) {
		at += i % r->extent[d] * stride;
		i /= r->extent[d];
		stride *= r->shape[d];
	}
	return at;
}

/* The first run that ends behind byte off of the variable. */
static uint64_t first_run(const struct runs *r, uint64_t off)
{
	uint64_t lo = 0, hi = r->count;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (run_at(r, mid) + r->bytes > off)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Pieces of one slice that are still to be read, consecutive in its shard. */
struct batch {
	struct ck_source *source;
	uint64_t from; /* where the first piece lies in the shard */
	struct iovec iov[IOV_MAX < 1024 ? IOV_MAX : 1024];
	int n;
	size_t bytes;
	bool small; /* runs are tiny: through the bounce buffer */
	uint8_t *bounce;
};

static int flush(struct batch *b, struct ck_err *err)
{
	int r;

	if (!b->n)
		return 0;
	if (b->small) {
		const uint8_t *p = b->bounce;

		r = ck_source_read(b->source, b->from, b->bounce, b->bytes, err);
		for (int i = 0; i < b->n && r == 0; i++) {
			memcpy(b->iov[i].iov_base, p, b->iov[i].iov_len);
			p += b->iov[i].iov_len;
		}
	} else {
		r = ck_source_readv(b->source, b->from, b->iov, b->n, err);
	}
	b->from += b->bytes;
	b->bytes = 0;
	b->n = 0;
	return r;
}

static int read_slice(struct ck_model *m, const struct ck_var *v, const struct ck_slice *s,
		      uint64_t off, uint8_t *p, size_t n, uint8_t *bounce, struct ck_err *err)
{
	struct runs r = runs_of(m, v, s);
	struct batch b = {
		.source = m->shards[s->shard].source,
		.small = r.bytes < SMALL_RUN,
		.bounce = bounce,
	};
	uint64_t i = first_run(&r, off);
	bool begun = false;
	int e = 0;

	for (; i < r.count && e == 0; i++) {
		uint64_t at = run_at(&r, i), skip = at < off ? off - at : 0, len = r.bytes - skip;

		if (at >= off + n)
			break;
		if (len > off + n - (at + skip))
			len = off + n - (at + skip);
		if (!begun)
			b.from = s->offset + i * r.bytes + skip;
		begun = true;
		b.iov[b.n++] = (struct iovec){ p + (at + skip - off), (size_t)len };
		b.bytes += (size_t)len;
		if (b.n == (int)(sizeof(b.iov) / sizeof(*b.iov)) ||
		    (b.small && b.bytes + SMALL_RUN > BOUNCE))
			e = flush(&b, err);
	}
	return e == 0 ? flush(&b, err) : e;
}

int ck_join_read(struct ck_model *m, const struct ck_var *v, uint64_t off, uint8_t *p, size_t n,
		 struct ck_err *err)
{
	uint8_t bounce[BOUNCE];

	for (uint32_t i = 0; i < v->shard; i++) {
		const struct ck_slice *s = &m->slices[v->offset + i];
		int r;

		if (s->first >= off + n)
			break; /* slices are sorted by their first byte */
		if (s->last <= off)
			continue;
		r = read_slice(m, v, s, off, p, n, bounce, err);
		if (r < 0)
			return r;
	}
	return 0;
}
