/*
 * test_stage_slices.c - partitioned variables: edits go to the slices that they touch.
 */
#include "stagekit.h"
#include "tap.h"

#include "core/ckpt.h"

#include <errno.h>
#include <stdlib.h>

/* How many slices of a variable lie elsewhere than before, and how many have another checksum.
 * More than one cannot be told apart: names differ. */
static void compare(struct ck_model *a, const char *was, struct ck_model *b, const char *is,
		    unsigned *moved, unsigned *changed, unsigned *total)
{
	uint32_t x = ck_model_find(a, ck_span(was, strlen(was)));
	uint32_t y = ck_model_find(b, ck_span(is, strlen(is)));
	const struct ck_var *v, *w;

	*moved = *changed = *total = 999;
	if (x == CK_NO_VAR || y == CK_NO_VAR)
		return;
	v = &a->vars[x];
	w = &b->vars[y];
	if (!(v->flags & CK_VAR_SLICED) || !(w->flags & CK_VAR_SLICED) || v->shard != w->shard)
		return;
	*moved = *changed = 0;
	*total = v->shard;
	for (uint32_t i = 0; i < v->shard; i++) {
		const struct ck_slice *s = &a->slices[v->offset + i], *t = &b->slices[w->offset + i];

		*moved += s->offset != t->offset ||
			  a->shards[s->shard].id != b->shards[t->shard].id;
		*changed += s->crc32c != t->crc32c;
	}
}

static struct ck_model *load(struct kit *k)
{
	struct ck_model *m = NULL;

	if (ck_open_prefix(&ck_vfs_posix, k->prefix, CK_OPEN_RAW, &m, &k->err) < 0)
		abort();
	return m;
}

static void test_edits(enum ck_publish_how how)
{
	const char *name = how == CK_PUBLISH_INPLACE ? "in place" : "appended";
	bool inplace = how == CK_PUBLISH_INPLACE;
	struct ck_buf ck_auto_buf was = CK_BUF_INIT;
	struct ck_model *old, *new;
	unsigned moved, changed, total;
	struct kit k;

	kit_init(&k, "sliced", "model.ckpt");
	k.o.how = how;
	kit_open(&k);
	old = load(&k);
	kit_cat(&k, "rows3_uneven", &was);
	memcpy(was.p + 116, "\1\2\3\4", 4); /* the last row */
	tap_ok(kit_pwrite(&k, "rows3_uneven", 116, "\1\2\3\4", 4) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "rows3_uneven", "float32[10,3]", was.p, was.n) &&
		       kit_sound(&k, 30) && k.report.variables == 1,
	       "%s: an edit of one slice %s", name, kit_why(&k));
	new = load(&k);
	compare(old, "rows3_uneven", new, "rows3_uneven", &moved, &changed, &total);
	tap_ok(total == 3 && changed == 1 && moved == !inplace, "%s: changes that one alone", name);
	tap_ok(inplace ? k.report.in_place == 4 && k.report.copied == 0 :
			 k.report.in_place == 0 && k.report.copied < was.n,
	       "%s: by %llu bytes in place and %llu copied", name,
	       (unsigned long long)k.report.in_place, (unsigned long long)k.report.copied);
	ck_model_unref(old);
	old = new;

	kit_cat(&k, "grid_3x2", &was);
	memset(was.p + 30, '*', 40); /* a row and a half */
	tap_ok(kit_pwrite(&k, "grid_3x2", 30, was.p + 30, 40) == 0 &&
		       kit_pwrite(&k, "rows3_uneven", 0, "\1\1", 2) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "grid_3x2", "float32[7,9]", was.p, was.n) && kit_sound(&k, 30),
	       "%s: an edit across slices, and the first variable again %s", name, kit_why(&k));
	new = load(&k);
	compare(old, "grid_3x2", new, "grid_3x2", &moved, &changed, &total);
	tap_ok(total == 6 && changed >= 2 && changed < 6 && moved == (inplace ? 0 : changed),
	       "%s: changes %u of %u, and moves %u", name, changed, total, moved);
	ck_model_unref(old);
	old = new;

	memset(was.p, 'z', was.n);
	tap_ok(kit_mv(&k, "grid_3x2", "renamed", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_has(&k, "renamed") &&
		       kit_pwrite(&k, "renamed", 0, "zzzz", 4) == 0 &&
		       kit_mv(&k, "renamed", "again", 0) == 0 && kit_publish(&k) == 0 &&
		       !kit_has(&k, "renamed") && !kit_has(&k, "grid_3x2") && kit_sound(&k, 30),
	       "%s: renamed, then edited and renamed %s", name, kit_why(&k));
	new = load(&k);
	compare(old, "grid_3x2", new, "again", &moved, &changed, &total);
	tap_ok(total == 6 && changed == 1 && moved == !inplace, "%s: is in pieces still", name);
	ck_model_unref(old);
	ck_model_unref(new);

	tap_ok(kit_put(&k, "again", was.p, was.n) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "again", "float32[7,9]", was.p, was.n) && kit_sound(&k, 30),
	       "%s: written whole %s", name, kit_why(&k));
	new = load(&k);
	compare(new, "again", new, "again", &moved, &changed, &total);
	tap_ok(total == 6, "%s: it is in pieces still", name);
	ck_model_unref(new);
	kit_reopen(&k);
	tap_ok(kit_is(&k, "again", was.p, was.n) && kit_pwrite(&k, "again", 4, "yy", 2) == 0 &&
		       kit_truncate(&k, "again", 100) == 0 && kit_truncate(&k, "again", 252) == 0,
	       "%s: cut and made longer", name);
	memcpy(was.p + 4, "yy", 2);
	memset(was.p + 100, 0, 152);
	tap_ok(kit_publish(&k) == 0 && kit_published(&k, "again", "float32[7,9]", was.p, was.n) &&
		       kit_sound(&k, 30), "%s: with zeros %s", name, kit_why(&k));
	kit_done(&k);
}

static void test_whole(void)
{
	struct ck_buf ck_auto_buf was = CK_BUF_INIT, json = CK_BUF_INIT;
	struct ck_model *old, *new;
	unsigned moved, changed, total;
	struct kit k;

	kit_begin(&k, "sliced", "model.ckpt");
	kit_cat(&k, "columns16", &was);
	kit_cat(&k, "columns16.json", &json);
	old = load(&k);
	tap_ok(kit_put(&k, "columns16.json", json.p, json.n) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "columns16", "float32[5,32]", was.p, was.n) && kit_sound(&k, 30),
	       "its own V.json changes nothing %s", kit_why(&k));
	tap_ok(kit_put(&k, "columns16.json", json.p, json.n) == 0 &&
		       kit_mv(&k, "columns16", "columns", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "columns", "float32[5,32]", was.p, was.n) && kit_sound(&k, 30),
	       "nor when it is renamed as well %s", kit_why(&k));
	new = load(&k);
	compare(old, "columns16", new, "columns", &moved, &changed, &total);
	tap_ok(total == 2 || total > 2, "it is in %u pieces", total);
	tap_ok(moved == 0 && changed == 0, "where they were");
	ck_model_unref(new);
	ck_model_unref(old);
	tap_ok(kit_text(&k, "columns.json", "{\"shape\": [160]}") == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "columns", "float32[160]", was.p, was.n) && kit_sound(&k, 30),
	       "a new shape stores it whole %s", kit_why(&k));
	kit_cat(&k, "rank4", &was);
	memcpy(was.p, "edit", 4);
	tap_ok(kit_pwrite(&k, "rank4", 0, "edit", 4) == 0 &&
		       kit_text(&k, "rank4.json", "{\"dtype\": \"int32\"}") == 0 &&
		       kit_publish(&k) == 0 &&
		       kit_published(&k, "rank4", "int32[2,3,4,5]", was.p, was.n) && kit_sound(&k, 30),
	       "a new dtype too, with an edit %s", kit_why(&k));
	new = load(&k);
	compare(new, "rank4", new, "rank4", &moved, &changed, &total);
	tap_ok(total == 999, "it is in one piece");
	ck_model_unref(new);
	tap_ok(kit_rm(&k, "rank1") == 0 && kit_mv(&k, "rows2", "rows3_uneven", 0) == 0 &&
		       kit_publish(&k) == 0 && kit_sound(&k, 28) && kit_has(&k, "rows3_uneven") &&
		       !kit_has(&k, "rank1"),
	       "deleted, replaced %s", kit_why(&k));
	kit_cat(&k, "rows3_shards", &was);
	kit_fill(&k, ".t", 120, 3);
	tap_ok(kit_mv(&k, ".t", "rows3_shards", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "rows3_shards", "float32[10,3]", 120, 3) &&
		       kit_sound(&k, 28), "a temporary file takes the place of one %s", kit_why(&k));
	kit_pwrite(&k, "last_axis", 1000, "abc", 3);
	kit_cat(&k, "last_axis", &was);
	tap_ok(kit_reopen(&k) == 0 && kit_is(&k, "last_axis", was.p, was.n) && kit_publish(&k) == 0 &&
		       kit_published(&k, "last_axis", NULL, was.p, was.n) && kit_sound(&k, 28),
	       "recovered %s", kit_why(&k));
	kit_done(&k);
}

int main(void)
{
	tap_plan(32);
	test_edits(CK_PUBLISH_REPLACE);
	test_edits(CK_PUBLISH_INPLACE);
	test_whole();
	return tap_done();
}
