/*
 * killer_check.c - judges what is left of the edits of several writers (killer.h).
 *
 * What a folder shows equals the writer's state after some of its calls, each of which stands for a
 * stretch of time: from the beginning of that call to the end of the next one. There has to be a
 * moment that lies in a stretch of every writer, and in one in which it may: not before a promise.
 */
#include "killer.h"

#include <stdlib.h>
#include <string.h>

#define WRITERS 8

struct stretch {
	int64_t from, to;
};

struct writer {
	char scope[64];
	struct op *ops;
	size_t n;
	struct stretch *fits;
	size_t nfits;
	/* where it came nearest, for people */
	size_t nearest;
	unsigned which;
};

static struct writer writers[WRITERS];
static int nwriters;
static bool published, any_time;

static bool is_commit(const struct op *o)
{
	return o->what == OP_COMMIT || o->what == OP_SYNC;
}

static bool promises(const struct op *o)
{
	return o->rc == 0 && (is_commit(o) || (!published && (o->what == OP_FSYNC ||
							      o->what == OP_REPLACE)));
}

static void load(struct writer *w, const char *path, struct state *base)
{
	FILE *f = fopen(path, "r");
	size_t room = 0;
	struct op o;

	if (!f || fread(w->scope, sizeof(w->scope), 1, f) != 1) {
		perror(path);
		exit(2);
	}
	while (fread(&o, sizeof(o), 1, f) == 1) {
		if (o.what == OP_BASE) {
			base->v[o.a].there = o.b;
			base->v[o.a].size = o.len;
			if (o.len && fread(base->v[o.a].p, o.len, 1, f) != 1)
				exit(2);
			continue;
		}
		if (w->n == room) {
			room = room ? 2 * room : 1024;
			w->ops = realloc(w->ops, room * sizeof(*w->ops));
			if (!w->ops)
				exit(2);
		}
		w->ops[w->n++] = o;
	}
	fclose(f);
}

/* Of how many files they say something else; which, as bits. */
static int differ(const struct state *a, const struct state *b, unsigned *which)
{
	int n = 0;

	*which = 0;
	for (int i = 0; i < NAMES; i++)
		if (a->v[i].there != b->v[i].there ||
		    (a->v[i].there && (a->v[i].size != b->v[i].size ||
				       memcmp(a->v[i].p, b->v[i].p, a->v[i].size) != 0))) {
			*which |= 1u << i;
			n++;
		}
	return n;
}

/* The stretches in which what is there was the writer's state. */
static void fit(struct writer *w, struct state *s, const struct state *there)
{
	int n, least = NAMES;
	unsigned which;

	w->fits = calloc(w->n + 1, sizeof(*w->fits));
	if (!w->fits)
		exit(2);
	for (size_t i = 0; i <= w->n; i++) {
		struct stretch *last = w->nfits ? &w->fits[w->nfits - 1] : NULL;
		int64_t from = i ? w->ops[i - 1].begin : INT64_MIN;
		int64_t to = i < w->n ? w->ops[i].end : NEVER;

		if (i && w->ops[i - 1].rc <= 0)
			state_apply(s, &w->ops[i - 1]);
		n = differ(s, there, &which);
		if (n && n <= least) {
			least = n;
			w->nearest = i;
			w->which = which;
		}
		if (n)
			continue;
		if (last && last->to >= from)
			last->to = to;
		else
			w->fits[w->nfits++] = (struct stretch){ from, to };
	}
}

/* What was published then is some commit's, which was under way at that moment. */
static bool may_be_published(int64_t t)
{
	if (any_time || t == INT64_MIN)
		return true; /* by the clock; as it was in the beginning */
	for (int k = 0; k < nwriters; k++)
		for (size_t i = 0; i < writers[k].n; i++) {
			const struct op *o = &writers[k].ops[i];

			if (is_commit(o) && o->rc <= 0 && o->begin <= t && t <= o->end)
				return true;
		}
	return false;
}

static bool fits_all(int64_t t, int64_t promised)
{
	if (t < promised || (published && !may_be_published(t)))
		return false;
	for (int k = 0; k < nwriters; k++) {
		bool in = false;

		for (size_t i = 0; i < writers[k].nfits && !in; i++)
			in = writers[k].fits[i].from <= t && t <= writers[k].fits[i].to;
		if (!in)
			return false;
	}
	return true;
}

/* Stretches meet, if they do, where one of them begins. */
static bool some_moment(int64_t promised)
{
	if (fits_all(promised, promised))
		return true;
	for (int k = 0; k < nwriters; k++) {
		for (size_t i = 0; i < writers[k].nfits; i++)
			if (fits_all(writers[k].fits[i].from, promised))
				return true;
		for (size_t i = 0; i < writers[k].n; i++)
			if (is_commit(&writers[k].ops[i]) &&
			    fits_all(writers[k].ops[i].begin, promised))
				return true;
	}
	return false;
}

static void explain(int64_t promised)
{
	for (int k = 0; k < nwriters; k++) {
		const struct writer *w = &writers[k];

		printf("%s: %zu calls; what is there was its state %zu times, last promise %lld:",
		       w->scope, w->n, w->nfits, (long long)promised);
		for (size_t i = 0; i < w->nfits; i++)
			printf(" %lld-%lld", (long long)w->fits[i].from, (long long)w->fits[i].to);
		printf("\n");
		for (int i = 0; i < NAMES && !w->nfits; i++)
			if (w->which >> i & 1)
				printf("  after call %zu all would be right but %s\n", w->nearest,
				       names[i]);
		for (size_t i = w->n > 30 ? w->n - 30 : 0; i < w->n; i++) {
			const struct op *o = &w->ops[i];

			printf("  %zu: %lld-%lld what %d rc %d %s %s off %u len %u\n", i + 1,
			       (long long)o->begin, (long long)o->end, o->what, o->rc, names[o->a], names[o->b], o->off,
			       o->len);
		}
	}
}

static void describe(const struct state *s, const char *what)
{
	printf("  %s:", what);
	for (int i = 0; i < NAMES; i++)
		if (s->v[i].there)
			printf(" %s(%u)", names[i], s->v[i].size);
	printf("\n");
}

int killer_check(int argc, char **argv)
{
	int64_t promised = INT64_MIN;
	struct state s, there;

	published = strcmp(argv[2], "staged") != 0;
	any_time = strcmp(argv[2], "published-at-any-time") == 0;
	state_init(&s);
	state_init(&there);
	for (int i = 4; i < argc && nwriters < WRITERS; i++) {
		struct writer *w = &writers[nwriters++];
		char folder[4096];

		load(w, argv[i], &s);
		snprintf(folder, sizeof(folder), "%s/%s", argv[3], w->scope);
		if (!state_read(&there, folder))
			return 2;
		fit(w, &s, &there);
		if (!w->nfits) {
			describe(&there, "there is");
			describe(&s, "in the end it would be");
		}
		for (size_t k = 0; k < w->n; k++)
			if (promises(&w->ops[k]) && w->ops[k].begin > promised)
				promised = w->ops[k].begin;
	}
	state_done(&s);
	state_done(&there);
	if (some_moment(promised))
		return 0;
	explain(promised);
	return 1;
}
