/* scripts.c - see scripts.h. */
#include "scripts.h"

#include <stdlib.h>
#include <string.h>

#define WRITE(v, at, k, f) { .kind = STEP_WRITE, .name = v, .off = at, .n = k, .fill = f }
#define OPEN(v) { .kind = STEP_OPEN, .name = v }
#define TRUNC(v) { .kind = STEP_OPEN, .name = v, .trunc = true }
#define CREATE(v) { .kind = STEP_CREATE, .name = v }
#define HWRITE(at, k, f) { .kind = STEP_HWRITE, .off = at, .n = k, .fill = f }
#define CLOSE { .kind = STEP_CLOSE }
#define RESIZE(v, k) { .kind = STEP_TRUNCATE, .name = v, .n = k }
#define ZERO(v, at, k) { .kind = STEP_ZERO, .name = v, .off = at, .n = k }
#define META0(v, t) { .kind = STEP_META, .name = v, .dtype = t }
#define META1(v, t, a) { .kind = STEP_META, .name = v, .dtype = t, .rank = 1, .shape = { a } }
#define META2(v, t, a, b) \
	{ .kind = STEP_META, .name = v, .dtype = t, .rank = 2, .shape = { a, b } }
#define RENAME(a, b) { .kind = STEP_RENAME, .name = a, .to = b }
#define EXCHANGE(a, b) { .kind = STEP_EXCHANGE, .name = a, .to = b }
#define UNLINK(v) { .kind = STEP_UNLINK, .name = v }
#define FSYNC(v) { .kind = STEP_SYNC, .name = v }
#define SYNC { .kind = STEP_SYNC }
#define PUBLISH { .kind = STEP_PUBLISH }
#define COMPACT { .kind = STEP_COMPACT }
#define DISCARD { .kind = STEP_DISCARD }
#define REOPEN { .kind = STEP_REOPEN }

#define STEPS(...) \
	.steps = (const struct step[]){ __VA_ARGS__ }, \
	.nsteps = sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step)

const struct script scripts[] = {
	{ .what = "some bytes of a variable, published",
	  STEPS(WRITE("a", 5, 9, 1), PUBLISH) },
	{ .what = "fsync and publish, twice",
	  STEPS(WRITE("a", 0, 4, 1), FSYNC("a"), PUBLISH, WRITE("a", 4, 4, 2), FSYNC("a"),
		PUBLISH) },
	{ .what = "three places of a variable, in place", .how = CK_PUBLISH_INPLACE,
	  STEPS(WRITE("big", 0, 10, 1), WRITE("big", 700, 600, 2), WRITE("big", 1590, 10, 3), PUBLISH) },
	{ .what = "several variables in two shards, in place", .how = CK_PUBLISH_INPLACE,
	  STEPS(WRITE("big", 510, 4, 1), WRITE("a", 44, 4, 2), WRITE("b/w", 0, 20, 3), SYNC,
		WRITE("a", 0, 4, 4), PUBLISH) },
	{ .what = "in place twice, the second before a power cut", .how = CK_PUBLISH_INPLACE,
	  STEPS(WRITE("a", 8, 8, 1), PUBLISH, WRITE("a", 12, 8, 2), SYNC, PUBLISH) },
	{ .what = "in place and new bytes at once", .how = CK_PUBLISH_INPLACE,
	  STEPS(WRITE("big", 100, 100, 1), CREATE("n"), HWRITE(0, 12, 2), CLOSE,
		META1("n", "int32", 3), RENAME("a", "c"), PUBLISH) },
	{ .what = "replaced: nothing that is read is overwritten", .how = CK_PUBLISH_REPLACE,
	  STEPS(WRITE("big", 100, 100, 1), SYNC, WRITE("a", 0, 48, 2), PUBLISH) },
	{ .what = "an editor that writes a temporary file and renames it",
	  STEPS(CREATE(".a.tmp"), HWRITE(0, 48, 1), CLOSE, RENAME(".a.tmp", "a"), PUBLISH) },
	{ .what = "an editor that keeps a backup, as vim does",
	  STEPS(RENAME("a", "a~"), CREATE("a"), HWRITE(0, 48, 1), FSYNC("a"), CLOSE, UNLINK("a~"),
		PUBLISH) },
	{ .what = "emptied and written anew, as the shell's > does",
	  STEPS(TRUNC("b/w"), HWRITE(0, 20, 1), CLOSE, PUBLISH) },
	{ .what = "written piece by piece through one descriptor",
	  STEPS(TRUNC("a"), HWRITE(0, 16, 1), HWRITE(16, 16, 2), SYNC, HWRITE(32, 16, 3), CLOSE,
		PUBLISH) },
	{ .what = "written anew from the back to the front",
	  STEPS(TRUNC("a"), HWRITE(32, 16, 1), HWRITE(16, 16, 2), HWRITE(0, 16, 3), CLOSE, SYNC,
		PUBLISH) },
	{ .what = "longer, with a shape that follows",
	  STEPS(RESIZE("a", 64), META2("a", NULL, 4, 4), WRITE("a", 48, 16, 1), PUBLISH) },
	{ .what = "a shape that comes first",
	  STEPS(META1("a", NULL, 6), RESIZE("a", 24), SYNC, PUBLISH) },
	{ .what = "another dtype of the same size", STEPS(META2("a", "int32", 3, 4), PUBLISH) },
	{ .what = "a scalar", STEPS(RESIZE("a", 4), META0("a", "float32"), PUBLISH) },
	{ .what = "nothing: a shape of no elements",
	  STEPS(RESIZE("a", 0), META2("a", NULL, 0, 4), PUBLISH) },
	{ .what = "unfinished: publishing is refused, then not",
	  STEPS(WRITE("b/w", 0, 4, 1), RESIZE("a", 20), PUBLISH, SYNC, META1("a", NULL, 5),
		PUBLISH) },
	{ .what = "two made, one deleted again",
	  STEPS(CREATE("n"), HWRITE(0, 8, 1), CLOSE, META1("n", "float64", 1), CREATE("new/m"),
		HWRITE(0, 600, 2), CLOSE, META1("new/m", "uint8", 600), PUBLISH, UNLINK("n"),
		PUBLISH) },
	{ .what = "a scope renamed", STEPS(RENAME("b/", "c/"), SYNC, WRITE("c/w", 4, 4, 1), PUBLISH) },
	{ .what = "all deleted", STEPS(UNLINK("a"), UNLINK("b/w"), SYNC, UNLINK("big"), PUBLISH) },
	{ .what = "four publishes of one variable", .how = CK_PUBLISH_REPLACE,
	  STEPS(WRITE("a", 0, 48, 1), PUBLISH, WRITE("a", 0, 48, 2), PUBLISH, WRITE("a", 0, 48, 3),
		PUBLISH, WRITE("a", 0, 48, 4), PUBLISH) },
	{ .what = "dropped, then others",
	  STEPS(WRITE("a", 0, 8, 1), SYNC, WRITE("big", 0, 8, 2), DISCARD, WRITE("a", 8, 8, 3),
		PUBLISH) },
	{ .what = "held open over a publish",
	  STEPS(OPEN("a"), HWRITE(0, 8, 1), PUBLISH, HWRITE(8, 8, 2), SYNC, CLOSE, PUBLISH) },
	{ .what = "deleted while it is held open",
	  STEPS(OPEN("a"), HWRITE(0, 8, 1), UNLINK("a"), HWRITE(8, 8, 2), SYNC, CLOSE, PUBLISH) },
	{ .what = "one renamed onto another",
	  STEPS(WRITE("a", 0, 8, 1), RENAME("a", "big"), WRITE("big", 8, 4, 2), PUBLISH) },
	{ .what = "two change places", STEPS(WRITE("a", 0, 8, 1), EXCHANGE("a", "b/w"), SYNC, PUBLISH) },
	{ .what = "a chain of renames",
	  STEPS(RENAME("a", "t"), RENAME("big", "a"), RENAME("t", "big"), WRITE("a", 0, 4, 1), SYNC,
		PUBLISH) },
	{ .what = "holes", STEPS(ZERO("big", 500, 100), WRITE("big", 520, 20, 1), SYNC, PUBLISH) },
	{ .what = "many small writes", .how = CK_PUBLISH_INPLACE,
	  STEPS(WRITE("big", 0, 4, 1), WRITE("big", 100, 4, 2), WRITE("big", 200, 4, 3),
		WRITE("big", 202, 4, 4), WRITE("big", 300, 4, 5), WRITE("big", 400, 4, 6),
		WRITE("big", 0, 4, 7), WRITE("big", 600, 4, 8), SYNC, WRITE("big", 700, 4, 9),
		WRITE("big", 100, 2, 10), WRITE("big", 900, 4, 11), PUBLISH) },
	{ .what = "staged, closed, opened again and published",
	  STEPS(WRITE("a", 0, 8, 1), FSYNC("a"), REOPEN, PUBLISH, WRITE("a", 8, 8, 2), SYNC, REOPEN,
		WRITE("b/w", 0, 4, 3), PUBLISH) },
	{ .what = "a shard with a second name", .how = CK_PUBLISH_INPLACE, .linked = "/e/other",
	  STEPS(WRITE("big", 0, 100, 1), WRITE("a", 0, 4, 2), SYNC, PUBLISH) },
	{ .what = "a shard that is a symlink", .how = CK_PUBLISH_INPLACE, .symlinked = "/e/blob",
	  STEPS(WRITE("big", 0, 100, 1), WRITE("a", 0, 4, 2), SYNC, PUBLISH) },
	{ .what = "the journal elsewhere", .journal = "/e/journal",
	  STEPS(WRITE("a", 0, 8, 1), SYNC, WRITE("big", 0, 8, 2), PUBLISH, WRITE("a", 8, 8, 3),
		PUBLISH) },
	{ .what = "a new checkpoint", .create = true,
	  STEPS(CREATE("x"), HWRITE(0, 16, 1), CLOSE, META1("x", "float32", 4), CREATE("y/z"),
		HWRITE(0, 3, 2), CLOSE, META1("y/z", "uint8", 3), SYNC, PUBLISH,
		WRITE("x", 0, 4, 3), PUBLISH) },
	{ .what = "a new checkpoint, the journal elsewhere", .create = true,
	  .journal = "/e/journal",
	  STEPS(CREATE("x"), HWRITE(0, 16, 1), CLOSE, META1("x", "float32", 4), SYNC,
		WRITE("x", 4, 4, 2), PUBLISH, WRITE("x", 0, 4, 3), SYNC, PUBLISH) },
	{ .what = "saved elsewhere", .save = true,
	  STEPS(WRITE("a", 0, 8, 1), WRITE("big", 100, 8, 2), SYNC, RENAME("b/w", "w"), PUBLISH) },
	{ .what = "saved elsewhere, where blocks can be shared", .save = true, .reflink = true,
	  STEPS(WRITE("a", 0, 8, 1), WRITE("big", 100, 8, 2), PUBLISH) },
	{ .what = "larger, where blocks can be shared", .reflink = true,
	  STEPS(CREATE("n"), HWRITE(0, 20000, 1), CLOSE, META1("n", "uint8", 20000), PUBLISH,
		WRITE("n", 9000, 10, 2), PUBLISH, WRITE("n", 100, 10, 3), SYNC, PUBLISH) },
	{ .what = "saved elsewhere as it is", .save = true, STEPS(PUBLISH) },
	{ .what = "space given back",
	  STEPS(WRITE("a", 0, 48, 1), UNLINK("big"), PUBLISH, WRITE("a", 0, 4, 2), COMPACT) },
	{ .what = "a partitioned variable", .rich = true,
	  STEPS(WRITE("part", 40, 20, 1), SYNC, PUBLISH, WRITE("part", 0, 4, 2), PUBLISH) },
	{ .what = "a partitioned variable, in place", .rich = true, .how = CK_PUBLISH_INPLACE,
	  STEPS(WRITE("part", 40, 20, 1), SYNC, WRITE("part", 90, 6, 2), PUBLISH) },
	{ .what = "a partitioned variable becomes whole", .rich = true,
	  STEPS(META1("part", NULL, 24), SYNC, WRITE("part", 44, 8, 1), PUBLISH) },
	{ .what = "a string", .rich = true,
	  STEPS(TRUNC("s"), HWRITE(0, 700, 1), CLOSE, SYNC, PUBLISH, WRITE("s", 700, 2, 2),
		RESIZE("s", 3), PUBLISH) },
};
const size_t nscripts = sizeof(scripts) / sizeof(*scripts);

/* --- sequences -------------------------------------------------------------------------------- */

struct maker {
	struct sequence *q;
	struct model *m;
	const struct model *base;
};

static bool add(struct maker *k, struct step s)
{
	if (k->q->script.nsteps == SEQUENCE_STEPS)
		abort();
	k->q->steps[k->q->script.nsteps++] = s;
	/* What is refused (a publish while something is unfinished) is a step, too. */
	return model_apply(k->m, &s, k->base) == 0 || s.kind == STEP_PUBLISH;
}

/* The first of these that is there. The names must outlive the script. */
static const char *first_of(struct model *m, const char *const *names)
{
	while (*names && !model_find(m, *names))
		names++;
	return *names;
}

static bool reshape(struct maker *k, const char *name)
{
	const struct model_file *f = model_find(k->m, name);
	size_t size = strcmp(f->meta.dtype, "uint8") == 0 ? 1 : 4;
	struct step s = { .kind = STEP_META, .name = name };

	if (f->n % size)
		return false;
	s.rank = 2;
	s.shape[0] = f->n / size;
	s.shape[1] = 1;
	if (f->meta.rank == 2 && f->meta.shape[1] == 1 && f->meta.shape[0] == s.shape[0]) {
		s.rank = 1; /* for the second time */
		s.shape[1] = 0;
	}
	return add(k, s);
}

static bool spell(struct maker *k, enum letter l, unsigned at)
{
	static const char *const small[] = { "a", "c", "b/w", "n", "n2", "big", NULL };
	static const char *const large[] = { "big", "b/w", "a", "c", "n", NULL };
	static const char *const fresh[] = { "n", "n2", "n3", "n4" };
	static const char *const to[] = { "c", "c2", "c3", "c4" };
	const char *s = first_of(k->m, small), *b = first_of(k->m, large), *other;
	uint8_t fill = (uint8_t)(17 * at + 3);

	switch (l) {
	case L_WRITE:
		return s && add(k, (struct step)WRITE(s, 5 + at, 6, fill));
	case L_WRITE_BIG:
		return b && add(k, (struct step)WRITE(b, 400, 700, fill));
	case L_RESIZE:
		return s && add(k, (struct step)RESIZE(s, model_find(k->m, s)->n + 16));
	case L_RESHAPE:
		return s && reshape(k, s);
	case L_CREATE:
		return add(k, (struct step)CREATE(fresh[at])) &&
		       add(k, (struct step)HWRITE(0, 600, fill)) && add(k, (struct step)CLOSE) &&
		       add(k, (struct step)META1(fresh[at], "uint8", 600));
	case L_RENAME:
		return s && add(k, (struct step)RENAME(s, to[at]));
	case L_RENAME_ONTO:
		other = s == b ? NULL : b;
		return s && other && add(k, (struct step)RENAME(s, other));
	case L_DELETE:
		return s && add(k, (struct step)UNLINK(s));
	case L_SYNC:
		return add(k, (struct step)SYNC);
	case L_PUBLISH:
	case L_SAVE:
		return add(k, (struct step)PUBLISH);
	default:
		abort();
	}
}

bool sequence_make(struct sequence *q, const struct model *base, const enum letter *letters,
		   unsigned n, enum ck_publish_how how)
{
	static const char *const names[] = { "write", "write big", "resize", "reshape", "create",
					     "rename", "rename onto", "delete", "fsync", "publish",
					     "save" };
	struct maker k = { .q = q, .m = model_copy(base), .base = base };
	bool ok = true, published = false;

	*q = (struct sequence){ .script = { .what = q->text, .how = how } };
	q->script.steps = q->steps;
	for (unsigned i = 0; ok && i < n; i++) {
		size_t len = strlen(q->text);

		/* Where a session saves, all its publishing goes there. */
		if (letters[i] == L_SAVE) {
			ok = i == n - 1 && !published;
			q->script.save = true;
		}
		published |= letters[i] == L_PUBLISH;
		snprintf(q->text + len, sizeof(q->text) - len, "%s%s", i ? ", " : "",
			 names[letters[i]]);
		ok = ok && spell(&k, letters[i], i);
	}
	if (how != CK_PUBLISH_AUTO) {
		size_t len = strlen(q->text);

		snprintf(q->text + len, sizeof(q->text) - len, " (%s)",
			 how == CK_PUBLISH_INPLACE ? "in place" : "replace");
	}
	model_free(k.m);
	return ok;
}
