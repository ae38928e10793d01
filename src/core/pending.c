/* pending.c - see pending.h. */
#include "core/pending.h"

#include "journal/journal.h"
#include "journal/pointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Publishes that a reader lets pass before it gives up finding the files at rest. */
#define TRIES 5

/* What is remembered of a journal while it is scanned. */
struct notes {
	const char *path;
	struct ck_pending *p;
	struct ck_rec_index base;
	struct ck_rec_shard *shards;
	uint32_t nshards;
	uint32_t num_shards;
	char *source; /* prefix of what the journal was begun on, where that is another; or NULL */
	char *index_file; /* COMMIT's paths[0] */
};

static char *with_suffix(const char *prefix, const char *suffix)
{
	struct ck_buf b = CK_BUF_INIT;

	ck_buf_str(&b, prefix);
	ck_buf_str(&b, suffix);
	if (!ck_buf_failed(&b))
		return b.p;
	ck_buf_done(&b);
	return NULL;
}

/* --- finding the journal ---------------------------------------------------------------------- */

int ck_pending_find(const struct ck_vfs *vfs, const char *prefix, char **ret, struct ck_err *err)
{
	char *at = with_suffix(prefix, CK_SUFFIX_JOURNAL), *to = NULL;
	struct ck_err why = CK_ERR_INIT;
	struct ck_vstat st;
	int r;

	if (!at)
		return ck_fail_nomem(err, prefix);
	r = ck_pointer_read(vfs, at, &to, &why);
	if (r < 0 && why.cls == CK_FOREIGN) {
		*ret = at; /* it is a journal, or says itself what is wrong with it */
		return 0;
	}
	if (r < 0) {
		ck_fail(err, why.cls, why.errnum, "%s", why.text);
		goto out;
	}
	r = vfs->stat(vfs, to, &st);
	if (r == -ENOENT || r == -ENOTDIR) {
		r = ck_fail(err, CK_BUSY, EBUSY,
			    "%s: the journal lies in %s, which is not there: mount the file system "
			    "that it lies on, or give its edits up with ckptctl discard", at, to);
	} else {
		*ret = to;
		to = NULL;
		r = 0;
	}
out:
	free(at);
	free(to);
	return r;
}

/* --- reading it ------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct ck_rec_patch *x = a, *y = b;

	if (x->shard != y->shard)
		return x->shard < y->shard ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int no_sense(const char *path, uint64_t at, const char *why, struct ck_err *err)
{
	return ck_fail(err, CK_CORRUPT, EBADMSG,
		       "%s: the COMMIT at byte %" PRIu64 " %s: the journal was made by another "
		       "program, move it out of the way", path, at, why);
}

static int take_patches(struct notes *n, uint64_t at, const struct ck_record *r,
			struct ck_err *err)
{
	struct ck_pending *p = n->p;
	const struct ck_rec_patch *v = r->patches;

	/* In place: nobody looks at the record after this. */
	qsort(r->patches, r->npatches, sizeof(*v), by_place);
	p->patches = calloc(r->npatches + 1, sizeof(*p->patches));
	p->shards = calloc(r->npatches + 1, sizeof(*p->shards));
	if (!p->patches || !p->shards)
		return ck_fail_nomem(err, n->path);
	for (uint32_t i = 0; i < r->npatches; i++) {
		if (v[i].data < CK_JOURNAL_HEAD || v[i].data + v[i].nbytes > at)
			return no_sense(n->path, at, "takes bytes that are not before it", err);
		if (i && v[i].shard == v[i - 1].shard &&
		    v[i].offset < v[i - 1].offset + v[i - 1].nbytes)
			return no_sense(n->path, at, "writes a byte twice", err);
		p->patches[i] = (struct ck_source_patch){ v[i].offset, v[i].nbytes, v[i].data };
		p->shards[i] = v[i].shard;
	}
	p->npatches = r->npatches;
	return 0;
}

static int take_base(struct notes *n, const struct ck_record *r, struct ck_err *err)
{
	n->base = r->index;
	n->num_shards = r->num_shards;
	if (r->source.n && !(n->source = strndup((const char *)r->source.p, r->source.n)))
		return ck_fail_nomem(err, n->path);
	n->shards = calloc(r->nshards + 1, sizeof(*n->shards));
	if (!n->shards)
		return ck_fail_nomem(err, n->path);
	if (r->nshards)
		memcpy(n->shards, r->shards, r->nshards * sizeof(*n->shards));
	n->nshards = r->nshards;
	return 0;
}

static int take_record(void *arg, uint64_t at, const struct ck_record *r, struct ck_err *err)
{
	struct notes *n = arg;
	struct ck_pending *p = n->p;

	switch (r->type) {
	case CK_REC_BASE:
		return take_base(n, r, err);
	case CK_REC_SYNC:
	case CK_REC_PREPARE:
		return 0;
	case CK_REC_COMMIT:
		p->index = r->index;
		n->index_file = strndup((const char *)r->paths[0].p, r->paths[0].n);
		return n->index_file ? take_patches(n, at, r, err) : ck_fail_nomem(err, n->path);
	default:
		break;
	}
	if (r->type == CK_REC_DISCARD && !r->path.n) {
		p->edits = p->bytes = 0;
		return 0;
	}
	p->edits++;
	if (r->type == CK_REC_WRITE || r->type == CK_REC_EXTENT)
		p->bytes += r->nbytes;
	return 0;
}

/* --- what it was begun on --------------------------------------------------------------------- */

static int foreign(struct ck_pending *p, const char *file, const char *what, struct ck_err *err)
{
	struct ck_buf b = CK_BUF_INIT;

	ck_buf_printf(&b, "%s %s", file, what);
	if (ck_buf_failed(&b)) {
		ck_buf_done(&b);
		return ck_fail_nomem(err, file);
	}
	p->state = CK_PENDING_FOREIGN;
	p->why = b.p;
	return 0;
}

static bool is_patched(const struct ck_pending *p, uint32_t shard)
{
	size_t n;

	ck_pending_patches(p, shard, &n);
	return n > 0;
}

static int judge_shards(const struct ck_vfs *vfs, const char *prefix, const struct notes *n,
			struct ck_err *err)
{
	for (uint32_t i = 0; i < n->nshards; i++) {
		struct ck_buf ck_auto_buf path = CK_BUF_INIT;
		struct ck_rec_shard was = n->shards[i];
		const char *what = "is gone";
		struct ck_vstat st;
		int r;

		ck_buf_printf(&path, "%s.data-%05" PRIu32 "-of-%05" PRIu32, prefix, was.id,
			      n->num_shards);
		if (ck_buf_failed(&path))
			return ck_fail_nomem(err, prefix);
		r = vfs->stat(vfs, path.p, &st);
		if (r < 0 && r != -ENOENT)
			return ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", path.p,
				       strerror(-r));
		was.touched |= is_patched(n->p, was.id);
		if (r == 0)
			what = ck_rec_shard_differs(&was, &st);
		if (what)
			return foreign(n->p, path.p, what, err);
	}
	return 0;
}

/* The index of a COMMIT lies beside the old one until it is renamed over that. */
static int find_index(const struct ck_vfs *vfs, const char *prefix, struct notes *n,
		      struct ck_err *err)
{
	struct ck_pending *p = n->p;
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	const char *slash = strrchr(prefix, '/');
	struct ck_rec_index is;
	int r;

	ck_buf_add(&path, prefix, slash ? (size_t)(slash + 1 - prefix) : 0);
	ck_buf_str(&path, n->index_file);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, prefix);
	if (!ck_rec_file_is_of(ck_span(n->index_file, strlen(n->index_file)), prefix))
		return foreign(p, path.p, "is not this checkpoint's index", err);
	r = ck_rec_index_of(vfs, path.p, &is, err);
	if (r < 0)
		return r;
	if (!ck_rec_index_same(&is, &p->index))
		return ck_fail(err, CK_CORRUPT, EIO,
			       "%s: %s, and a publish that was interrupted needs it (%s): restore "
			       "the file, or give the edits up with ckptctl discard", path.p,
			       is.absent ? "is gone" : "is not what was written there",
			       p->journal_path);
	p->index_path = path.p;
	path = (struct ck_buf)CK_BUF_INIT;
	return 0;
}

static int judge(const struct ck_vfs *vfs, const char *prefix, struct notes *n, struct ck_err *err)
{
	struct ck_pending *p = n->p;
	char *path = with_suffix(prefix, CK_SUFFIX_INDEX);
	const char *source = n->source ? n->source : prefix;
	struct ck_rec_index is = { .absent = true };
	int r = path ? ck_rec_index_of(vfs, path, &is, err) : ck_fail_nomem(err, prefix);
	bool done = r == 0 && p->committed && ck_rec_index_same(&is, &p->index);

	p->state = p->committed ? CK_PENDING_COMMITTED : CK_PENDING_STAGED;
	if (r == 0 && !done && n->source) { /* published elsewhere than where it was begun */
		free(path);
		path = with_suffix(source, CK_SUFFIX_INDEX);
		r = path ? ck_rec_index_of(vfs, path, &is, err) : ck_fail_nomem(err, prefix);
	}
	if (r == 0 && !done) {
		if (!ck_rec_index_same(&is, &n->base))
			r = foreign(p, path, is.absent ? "is gone" : "was written anew", err);
		else
			r = judge_shards(vfs, source, n, err);
		if (r == 0 && p->state == CK_PENDING_COMMITTED)
			r = find_index(vfs, prefix, n, err);
	}
	free(path);
	return r;
}

/* --- all of it, at one instant ---------------------------------------------------------------- */

static int look(const struct ck_vfs *vfs, const char *prefix, struct ck_pending *p,
		struct ck_err *err)
{
	struct notes n = { .p = p, .base.absent = true };
	struct ck_journal_scan s = { 0 };
	int r = ck_pending_find(vfs, prefix, &p->journal_path, err);

	if (r == 0) {
		n.path = p->journal_path;
		r = ck_journal_scan(vfs, p->journal_path, take_record, &n, &s, err);
	}
	if (r == 0 && s.has_base) {
		p->size = s.end;
		p->salt = s.salt;
		p->committed = s.committed;
		r = judge(vfs, prefix, &n, err);
	}
	free(n.shards);
	free(n.source);
	free(n.index_file);
	return r;
}

/* Whether the journal is still the one that was looked at. */
static bool at_rest(const struct ck_vfs *vfs, const struct ck_pending *p)
{
	struct ck_journal_scan s;

	return p->journal_path &&
	       ck_journal_scan(vfs, p->journal_path, NULL, NULL, &s, NULL) == 0 && s.has_base &&
	       s.salt == p->salt && s.committed == p->committed;
}

int ck_pending_open(const struct ck_vfs *vfs, const char *prefix, struct ck_pending *ret,
		    struct ck_err *err)
{
	for (int i = 1;; i++) {
		struct ck_pending p = { .state = CK_PENDING_NONE };
		struct ck_err why = CK_ERR_INIT;
		int r = look(vfs, prefix, &p, &why);

		if (r == -ENOENT && why.cls == CK_MISSING) { /* there is no journal */
			ck_pending_done(&p);
			r = 0;
		}
		/* What does not go together may have been read while a publish came to its end. */
		if (i < TRIES && (r < 0 || p.state == CK_PENDING_FOREIGN) && !at_rest(vfs, &p)) {
			ck_pending_done(&p);
			continue;
		}
		if (r < 0) {
			ck_pending_done(&p);
			return ck_fail(err, why.cls, -r, "%s", why.text);
		}
		if (p.state == CK_PENDING_NONE)
			ck_pending_done(&p);
		*ret = p;
		return 0;
	}
}

void ck_pending_done(struct ck_pending *p)
{
	free(p->journal_path);
	free(p->why);
	free(p->index_path);
	free(p->patches);
	free(p->shards);
	*p = (struct ck_pending){ .state = CK_PENDING_NONE };
}

const struct ck_source_patch *ck_pending_patches(const struct ck_pending *p, uint32_t shard,
						 size_t *n)
{
	size_t lo = 0, hi = p->npatches, end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->shards[mid] < shard)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (end = lo, hi = p->npatches; end < hi;) {
		size_t mid = end + (hi - end) / 2;

		if (p->shards[mid] == shard)
			end = mid + 1;
		else
			hi = mid;
	}
	*n = end - lo;
	return *n ? p->patches + lo : NULL;
}

int ck_pending_journal(const struct ck_vfs *vfs, const struct ck_pending *p,
		       struct ck_source **ret, struct ck_err *err)
{
	struct ck_source *s = NULL;
	uint8_t salt[8];
	int r = ck_source_open_vfs(vfs, p->journal_path, &s, err);

	if (r == 0)
		r = ck_source_read(s, CK_JOURNAL_HEAD - sizeof(salt), salt, sizeof(salt), err);
	if (r == 0 && (ck_le64(salt) != p->salt || ck_source_size(s) < p->size))
		r = ck_fail(err, CK_BUSY, ESTALE,
			    "%s: was changed while it was looked at: try again", p->journal_path);
	if (r < 0)
		ck_source_unref(s);
	else
		*ret = s;
	return r;
}
