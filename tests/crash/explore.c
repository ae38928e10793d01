/* explore.c - see explore.h. */
#include "explore.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* --- what was judged -------------------------------------------------------------------------- */

struct explore_seen {
	uint64_t *v; /* 0: free */
	size_t n, room;
};

struct explore_seen *explore_seen_new(void)
{
	struct explore_seen *s = must(calloc(1, sizeof(*s)));

	s->room = 1 << 16;
	s->v = must(calloc(s->room, sizeof(*s->v)));
	return s;
}

struct explore_seen *explore_seen_free(struct explore_seen *s)
{
	if (s)
		free(s->v);
	free(s);
	return NULL;
}

/* Whether it is there already; now it is. */
static bool seen_before(struct explore_seen *s, uint64_t key)
{
	size_t i;

	key += key == 0;
	if (2 * s->n > s->room) {
		struct explore_seen old = *s;

		s->n = 0;
		s->room *= 2;
		s->v = must(calloc(s->room, sizeof(*s->v)));
		for (size_t k = 0; k < old.room; k++)
			if (old.v[k])
				seen_before(s, old.v[k]);
		free(old.v);
	}
	for (i = key % s->room; s->v[i]; i = (i + 1) % s->room)
		if (s->v[i] == key)
			return true;
	s->v[i] = key;
	s->n++;
	return false;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/* --- moments of a session --------------------------------------------------------------------- */

/* Right after a call. */
struct moment {
	struct ck_disk *disk;
	struct expect expect;
	char call[160];
};

struct explorer {
	const struct explore_options *o;
	struct explore_seen *seen;
	struct explore_result *r;
	struct session *s;
	struct moment *moments;
	size_t n, room;
	/* what is being judged, for words */
	const struct moment *at;
	char cut[120];
};

struct recorder {
	struct explorer *x;
	const struct expect *expect;
};

static void add_moment(struct explorer *x, struct ck_disk *d, const struct expect *e,
		       const struct ck_disk_call *call)
{
	struct moment *m;

	if (x->n == x->room) {
		x->room = x->room ? 2 * x->room : 64;
		x->moments = must(realloc(x->moments, x->room * sizeof(*x->moments)));
	}
	m = &x->moments[x->n++];
	*m = (struct moment){ .disk = ck_disk_clone(d), .expect = *e };
	if (call)
		ck_disk_call_text(call, m->call, sizeof(m->call));
	else
		snprintf(m->call, sizeof(m->call), "the end");
}

static void record(void *arg, struct ck_disk *d, const struct ck_disk_call *call)
{
	struct recorder *r = arg;

	add_moment(r->x, d, r->expect, call);
}

/* --- judging ---------------------------------------------------------------------------------- */

/* Notes a failure; answers false. */
__attribute__((format(printf, 3, 4))) static bool bad(struct explorer *x, struct ck_disk *d,
						      const char *fmt, ...)
{
	char why[700], step[120] = "opening";
	size_t at = x->at ? x->at->expect.step : 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (at)
		step_text(&x->s->script->steps[at - 1], step, sizeof(step));
	if (x->r->failed++ == 0)
		snprintf(x->r->text, sizeof(x->r->text), "%s: step %zu (%s), after %s; %s: %s",
			 x->s->script->what, at, step, x->at ? x->at->call : "", x->cut, why);
	if (x->o->verbose) {
		printf("# %s: step %zu (%s), after %s; %s: %s\n", x->s->script->what, at, step,
		       x->at ? x->at->call : "", x->cut, why);
		if (d)
			ck_disk_print(d, stdout);
		if (x->at) {
			printf("# the disk before the cut:\n");
			ck_disk_print(x->at->disk, stdout);
		}
	}
	return false;
}

static const char *prefix_of(const struct explorer *x)
{
	return x->s->script->save ? SESSION_SAVE : SESSION_PREFIX;
}

/* What was found, to be judged or to be compared with what is found the next time. */
struct found {
	struct model *view;
	struct model *published; /* NULL: there is none */
	struct model *source; /* of a session that saves: what was not to change */
	bool dirty; /* something is staged */
};

static void found_done(struct found *f)
{
	f->view = model_free(f->view);
	f->published = model_free(f->published);
	f->source = model_free(f->source);
}

/* Opens what is left, as the next mount would that is given the same options; one that is refused
 * because what it was to make is there already opens that. */
static int reopen(struct explorer *x, struct ck_disk *d, struct ck_stage **ret, struct ck_err *err)
{
	struct ck_stage_options o = x->s->options;
	int r;

	o.vfs = ck_disk_vfs(d);
	x->r->recoveries++;
	r = ck_stage_open(&o, ret, err);
	if (r != -EEXIST || !(o.create || o.save))
		return r;
	*err = (struct ck_err)CK_ERR_INIT;
	o.prefix = prefix_of(x);
	o.save = NULL;
	o.create = false;
	return ck_stage_open(&o, ret, err);
}

/* Recovers, reads everything, and closes. */
static bool look(struct explorer *x, struct ck_disk *d, struct found *ret)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_stage *stage = NULL;
	struct found f = { 0 };
	char why[500] = "";
	bool absent, own = false;
	int r = reopen(x, d, &stage, &err);

	if (r < 0)
		return bad(x, d, "it does not open: %d, %.400s", r, err.text);
	f.view = session_view(stage, why, sizeof(why));
	f.dirty = ck_stage_dirty(stage, &own);
	r = ck_stage_close(stage, &err);
	if (!f.view)
		return bad(x, d, "%.400s", why);
	if (r < 0) {
		found_done(&f);
		return bad(x, d, "it does not close: %d, %.400s", r, err.text);
	}
	if (own || ck_disk_open_files(d)) {
		found_done(&f);
		return bad(x, d, own ? "edits of its own" : "files are left open");
	}
	f.published = session_published(ck_disk_vfs(d), prefix_of(x), &absent, why, sizeof(why));
	if (!f.published && !absent) {
		found_done(&f);
		return bad(x, d, "%.400s", why);
	}
	if (x->s->script->save)
		f.source = session_published(ck_disk_vfs(d), SESSION_PREFIX, &absent, why,
					     sizeof(why));
	*ret = f;
	return true;
}

static bool same(const struct model *a, const struct model *b, bool scratch)
{
	return a && b ? model_equal(a, b, scratch, NULL, 0) : a == b;
}

static struct model *state(const struct explorer *x, size_t i)
{
	return i == SESSION_NONE ? NULL : x->s->history[i];
}

static bool is_between(const struct explorer *x, const struct model *view, size_t min, size_t max)
{
	for (size_t i = max + 1; i-- > min;)
		if (model_equal(view, x->s->history[i], true, NULL, 0))
			return true;
	return false;
}

/* Whether what was found is what may be there. */
static bool judge(struct explorer *x, struct ck_disk *d, const struct expect *e,
		  const struct found *f)
{
	const struct model *old = state(x, e->pub_old), *new = state(x, e->pub_new);
	size_t max = e->max < x->s->n ? e->max : x->s->n - 1;
	bool is_old = same(f->published, old, false), is_new = same(f->published, new, false);
	char why[200] = "there is none";

	if (x->s->script->save && !same(f->source, x->s->history[0], false))
		return bad(x, d, "the source has changed");
	if (!is_old && !is_new) {
		if (f->published && new)
			model_equal(f->published, new, false, why, sizeof(why));
		return bad(x, d, "published is neither old nor new: %s", why);
	}
	if (is_new && is_between(x, f->view, e->pub_new == SESSION_NONE ? 0 : e->pub_new, max) &&
	    is_between(x, f->view, e->min, max))
		return true;
	if (is_old && is_between(x, f->view, e->min, max))
		return true;
	model_equal(f->view, x->s->history[max], true, why, sizeof(why));
	return bad(x, d, "the tree is no state from %zu to %zu (published %s); from the last it "
		   "differs in %s", e->min, max, is_new ? "new" : "old", why);
}

struct leftovers {
	const struct explorer *x;
	bool journal; /* one may be there */
	char what[200];
};

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static void leftover(void *arg, const char *path)
{
	struct leftovers *l = arg;
	const struct script *script = l->x->s->script;
	const char *rest = path;

	if ((script->linked && strcmp(path, script->linked) == 0) ||
	    (script->symlinked && strcmp(path, script->symlinked) == 0))
		return;
	if (script->journal && begins(path, script->journal)) {
		rest = path + strlen(script->journal);
		if (l->journal || strcmp(rest, ".aside") == 0)
			return;
	}
	if (begins(path, SESSION_PREFIX "."))
		rest = path + strlen(SESSION_PREFIX);
	else if (begins(path, SESSION_SAVE "."))
		rest = path + strlen(SESSION_SAVE);
	if (strcmp(rest, ".index") == 0 || begins(rest, ".data-"))
		return;
	if (l->journal && begins(rest, ".ckptfuse-"))
		return;
	/* A journal that was being made when the power went may be no journal at all: whoever finds
	 * it cannot know what it was, and leaves it where nothing points to it. */
	if (script->journal && strcmp(path, script->journal) == 0)
		return;
	if (strcmp(rest, ".ckptfuse-journal.aside") == 0 ||
	    (script->journal && begins(path, script->journal) &&
	     strcmp(path + strlen(script->journal), ".aside") == 0))
		return;
	snprintf(l->what, sizeof(l->what), "%s", path);
}

/* Publishes what was recovered: it must go through, and be what the tree was. */
static bool publish(struct explorer *x, struct ck_disk *d, const struct found *f)
{
	struct ck_publish_report report = { 0 };
	struct leftovers l = { .x = x };
	struct ck_err err = CK_ERR_INIT;
	struct ck_disk_cut none = { .kind = CK_CUT_NONE };
	struct ck_stage *stage = NULL;
	struct ck_disk *after;
	struct model *m;
	char why[500] = "";
	bool absent, ok;
	int r = reopen(x, d, &stage, &err);

	if (r < 0)
		return bad(x, d, "it does not open to publish: %d, %.400s", r, err.text);
	r = ck_stage_publish(stage, CK_PUBLISH_EXPLICIT, &report, &err);
	ck_stage_close(stage, NULL);
	if (r < 0)
		return bad(x, d, "recovered edits are not published: %d, %.400s", r, err.text);
	after = ck_disk_crash(d, &none);
	m = session_published(ck_disk_vfs(after), prefix_of(x), &absent, why, sizeof(why));
	ok = m && model_equal(m, f->view, false, why, sizeof(why));
	if (!m && absent && report.nothing) /* no new checkpoint is made of no edits */
		ok = f->source ? same(f->view, f->source, false) : f->view->nfiles == 0;
	ck_disk_each(d, leftover, &l);
	if (!ok)
		bad(x, after, "recovered edits, published: %.400s", why);
	else if (*l.what)
		ok = bad(x, d, "published, and left behind: %s", l.what);
	model_free(m);
	ck_disk_free(after);
	return ok;
}

static bool judge_disk(struct explorer *x, struct ck_disk *d, const struct expect *e, bool again);

/* Cuts the power during the recovery of d, at every call of it. */
static bool cut_recovery(struct explorer *x, struct ck_disk *d, const struct expect *e)
{
	struct explorer inner = *x;
	struct recorder rec = { .x = &inner, .expect = e };
	struct ck_err err = CK_ERR_INIT;
	struct ck_stage *stage = NULL;
	char outer[120];
	bool ok = true;
	int r;

	inner.moments = NULL;
	inner.n = inner.room = 0;
	ck_disk_tap(d, record, &rec);
	r = reopen(x, d, &stage, &err);
	if (r == 0)
		r = ck_stage_close(stage, &err);
	ck_disk_tap(d, NULL, NULL);
	if (r < 0)
		ok = bad(x, d, "it does not open: %d, %.400s", r, err.text);
	snprintf(outer, sizeof(outer), "%s", x->cut);
	for (size_t i = 0; i < inner.n; i++) {
		struct moment *m = &inner.moments[i];
		size_t ncuts;
		struct ck_disk_cut *cuts = ck_disk_cuts(m->disk, &ck_disk_few, &ncuts);

		for (size_t k = 0; ok && k < ncuts; k++) {
			struct ck_disk *c = ck_disk_crash(m->disk, &cuts[k]);
			char text[60];

			snprintf(x->cut, sizeof(x->cut), "%.30s, then recovery cut after %.40s, %s",
				 outer, m->call, ck_disk_cut_text(&cuts[k], text, sizeof(text)));
			x->r->states++;
			ok = judge_disk(x, c, e, false);
			ck_disk_free(c);
		}
		free(cuts);
		ck_disk_free(m->disk);
	}
	free(inner.moments);
	snprintf(x->cut, sizeof(x->cut), "%s", outer);
	return ok;
}

static uint64_t key_of(const struct explorer *x, struct ck_disk *d, const struct expect *e)
{
	uint64_t h = mix(ck_disk_hash(d), e->pub_old == e->pub_new);

	for (size_t i = e->min; i <= e->max && i < x->s->n; i++)
		h = mix(h, model_hash(x->s->history[i]));
	h = mix(h, e->pub_old == SESSION_NONE ? 1 : model_hash(x->s->history[e->pub_old]));
	return mix(h, e->pub_new == SESSION_NONE ? 1 : model_hash(x->s->history[e->pub_new]));
}

static bool judge_disk(struct explorer *x, struct ck_disk *d, const struct expect *e, bool again)
{
	struct found one = { 0 }, two = { 0 };
	struct leftovers l = { .x = x };
	const struct model *base;
	unsigned long number;
	bool ok;

	if (seen_before(x->seen, key_of(x, d, e)))
		return true;
	number = ++x->r->different;
	if (again && x->o->again && number % x->o->again == 0) {
		struct ck_disk *copy = ck_disk_clone(d);

		ok = cut_recovery(x, copy, e);
		ck_disk_free(copy);
		if (!ok)
			return false;
	}
	ok = look(x, d, &one) && judge(x, d, e, &one) && look(x, d, &two);
	if (ok && (!same(one.view, two.view, true) || !same(one.published, two.published, false)))
		ok = bad(x, d, "it is not the same when it is recovered again");
	base = two.published ? two.published : two.source;
	if (ok && !two.dirty && base && !same(two.view, base, false))
		ok = bad(x, d, "nothing is staged, yet the tree is not what is published");
	l.journal = two.dirty;
	if (ok)
		ck_disk_each(d, leftover, &l);
	if (ok && *l.what)
		ok = bad(x, d, "left behind: %s", l.what);
	if (ok && x->o->publish && number % x->o->publish == 0 && !model_unfinished(two.view))
		ok = publish(x, d, &two);
	found_done(&one);
	found_done(&two);
	return ok;
}

/* --- a script --------------------------------------------------------------------------------- */

/* A process that was killed, then a power cut after another one has recovered. */
static void kill_and_cut(struct explorer *x, const struct moment *m)
{
	static const enum ck_disk_cut_kind kinds[] = { CK_CUT_NONE, CK_CUT_ALL };
	struct ck_disk *k = ck_disk_clone(m->disk);
	struct ck_err err = CK_ERR_INIT;
	struct ck_stage *stage = NULL;
	int r;

	snprintf(x->cut, sizeof(x->cut), "killed");
	x->r->states++;
	r = reopen(x, k, &stage, &err);
	if (r == 0)
		r = ck_stage_close(stage, &err);
	if (r < 0) {
		bad(x, k, "it does not open: %d, %.400s", r, err.text);
		ck_disk_free(k);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct ck_disk_cut cut = { .kind = kinds[i] };
		struct ck_disk *c = ck_disk_crash(k, &cut);

		snprintf(x->cut, sizeof(x->cut), "killed, recovered, %s",
			 i ? "all survive" : "none survive");
		x->r->states++;
		judge_disk(x, c, &m->expect, false);
		ck_disk_free(c);
	}
	ck_disk_free(k);
}

static void cut_moment(struct explorer *x, const struct moment *m, uint32_t seed)
{
	struct ck_disk_limits limits = x->o->limits;
	struct ck_disk_cut *cuts;
	size_t n;

	x->at = m;
	limits.seed = seed;
	cuts = ck_disk_cuts(m->disk, &limits, &n);
	for (size_t i = 0; i < n && x->r->failed < 20; i++) {
		struct ck_disk *c = ck_disk_crash(m->disk, &cuts[i]);

		ck_disk_cut_text(&cuts[i], x->cut, sizeof(x->cut));
		x->r->states++;
		judge_disk(x, c, &m->expect, true);
		ck_disk_free(c);
	}
	free(cuts);
	if (x->r->failed < 20)
		kill_and_cut(x, m);
}

void explore_now(struct session *s, struct ck_disk *d, const char *when,
		 const struct explore_options *o, struct explore_seen *seen,
		 struct explore_result *ret)
{
	struct explorer x = { .o = o, .seen = seen, .r = ret, .s = s };
	unsigned long failed = ret->failed;

	add_moment(&x, d, &s->expect, NULL);
	snprintf(x.moments[0].call, sizeof(x.moments[0].call), "%s", when);
	ret->failed = 0;
	cut_moment(&x, &x.moments[0], 0);
	ret->failed += failed;
	ck_disk_free(x.moments[0].disk);
	free(x.moments);
}

void explore(const struct script *script, const struct explore_options *o,
	     struct explore_seen *seen, struct explore_result *ret)
{
	struct ck_disk *d = session_disk(script);
	struct session s;
	struct explorer x = { .o = o, .seen = seen, .r = ret, .s = &s };
	struct recorder rec = { .x = &x, .expect = &s.expect };
	struct leftovers l = { .x = &x };
	bool ok = session_begin(&s, script, ck_disk_vfs(d));

	ck_disk_tap(d, record, &rec);
	ok = ok && session_open(&s) == 0;
	for (size_t i = 0; ok && i < script->nsteps; i++)
		ok = session_step(&s, &script->steps[i]) == 0;
	if (ok) {
		char why[300] = "";
		struct model *view = session_view(s.stage, why, sizeof(why));

		if (!view || !model_equal(view, session_now(&s), true, why, sizeof(why))) {
			snprintf(s.why, sizeof(s.why), "at the end the tree differs in %s", why);
			ok = false;
		}
		model_free(view);
	}
	if (s.stage && session_close(&s) < 0)
		ok = false;
	ck_disk_tap(d, NULL, NULL);
	add_moment(&x, d, &s.expect, NULL);
	snprintf(x.cut, sizeof(x.cut), "no power cut");
	x.at = &x.moments[x.n - 1];
	l.journal = !same(session_now(&s), state(&x, s.expect.pub_new), false);
	ck_disk_each(d, leftover, &l);
	if (!ok)
		bad(&x, d, "%s", s.why);
	else if (ck_disk_open_files(d))
		bad(&x, d, "files are left open");
	else if (*l.what)
		bad(&x, d, "left behind: %s", l.what);
	for (size_t i = 0; i < x.n; i++) {
		if (ok)
			cut_moment(&x, &x.moments[i], (uint32_t)i);
		ck_disk_free(x.moments[i].disk);
	}
	free(x.moments);
	session_end(&s);
	ck_disk_free(d);
}
