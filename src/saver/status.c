/*
 * status.c - what status.json says about edits.
 */
#include "saver/stage_private.h"

#include "core/pending.h"
#include "util/json.h"
#include "util/natural.h"

#include <inttypes.h>
#include <stdlib.h>

static void text(struct ck_buf *out, const char *name, const char *value)
{
	ck_buf_printf(out, "\"%s\": ", name);
	ck_json_bytes(ck_span(value, strlen(value)), out);
}

/* One edit. What is behind its name is made already. */
struct row {
	struct ck_buf name, rest;
	const char *edit; /* in a word, or NULL */
};

struct rows {
	struct row *v;
	size_t n, room;
	bool failed;
};

/* What was done to a variable, in a word. */
static const char *edit_of(const struct ck_snode *n)
{
	bool moved = n->pub.dir && (n->now.dir != n->pub.dir ||
				    strcmp(n->now.name, n->pub.name) != 0);

	if (!n->pub_name.p)
		return "created";
	if (n->now.content != n->pub.content)
		return moved ? "renamed and changed" : "changed";
	if (n->now.meta != n->pub.meta)
		return moved ? "renamed and retyped" : "retyped";
	return "renamed";
}

/* NULL when out of memory, which is noted. */
static struct row *add_row(struct rows *rows, const char *edit)
{
	if (rows->n == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 64;
		void *p = realloc(rows->v, room * sizeof(*rows->v));

		if (!p) {
			rows->failed = true;
			return NULL;
		}
		rows->v = p;
		rows->room = room;
	}
	rows->v[rows->n] = (struct row){ .name = CK_BUF_INIT, .rest = CK_BUF_INIT, .edit = edit };
	return &rows->v[rows->n++];
}

static void add_from(struct row *row, struct ck_span from)
{
	ck_buf_str(&row->rest, ", \"from\": ");
	ck_json_bytes(from, &row->rest);
}

/* A scope that was renamed, and what is gone of the opened tree. */
static void add_dir(struct ck_stage *s, struct ck_snode *n, struct rows *rows)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct row *row;

	/* To be spelt with .d or without is no other name. */
	if (n->pub.dir && n->entry && ck_snode_is_dirty(n)) {
		ck_scope_name(s, n, &name);
		if (ck_span_cmp(ck_span(name.p ? name.p : "", name.n), n->pub_name) != 0 &&
		    (row = add_row(rows, "renamed"))) {
			row->name = name;
			name = (struct ck_buf)CK_BUF_INIT;
			add_from(row, n->pub_name);
		}
		rows->failed |= ck_buf_failed(&name);
	}
	for (struct ck_sentry *e = n->children; e; e = e->next) {
		struct ck_span c;

		if (e->base == CK_NO_NODE || e->base_dir || e->base_published ||
		    ck_snode_by_id(s, e->base, false) || !(row = add_row(rows, "deleted")))
			continue;
		c = ck_tree_component(s->tree, e->base);
		ck_buf_add(&row->name, n->pub_name.p, n->pub_name.n);
		ck_buf_add(&row->name, c.p, c.n);
		if (ck_tree_suffixed(s->tree, e->base))
			ck_buf_str(&row->name, CK_TF2_SUFFIX);
	}
}

/* The variable's name, or where that cannot be known its path. */
static void add_name(const struct ck_stage *s, const struct ck_snode *n, struct ck_buf *out)
{
	if (!ck_var_node_name(s, n, out)) {
		ck_buf_clear(out);
		ck_snode_path(n, out);
	}
}

static void add_file(struct ck_stage *s, struct ck_snode *n, struct rows *rows)
{
	bool var = ck_snode_is_var(n) && (n->now.content || n->now.meta);
	struct row *row;

	if (!var && n->pub_name.p && (row = add_row(rows, "deleted")))
		ck_buf_add(&row->name, n->pub_name.p, n->pub_name.n);
	if (!var || !ck_snode_is_dirty(n) || !(row = add_row(rows, edit_of(n))))
		return;
	add_name(s, n, &row->name);
	if (n->pub_name.p &&
	    ck_span_cmp(n->pub_name, ck_span(row->name.p ? row->name.p : "", row->name.n)) != 0)
		add_from(row, n->pub_name);
	ck_buf_printf(&row->rest, ", \"nbytes\": %" PRIu64,
		      n->now.content ? n->now.content->size : 0);
}

static int by_name(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = ck_natural_cmp(ck_span(x->name.p ? x->name.p : "", x->name.n),
			       ck_span(y->name.p ? y->name.p : "", y->name.n));

	if (c || !x->edit)
		return c;
	return strcmp(y->edit, x->edit); /* "deleted" before "created" */
}

/* Writers that make a new file and rename it over the old one have deleted and created; for their
 * user that is one edit. */
static bool replaces(const struct row *old, const struct row *new)
{
	return old->edit && strcmp(old->edit, "deleted") == 0 && strcmp(new->edit, "created") == 0 &&
	       old->name.n == new->name.n &&
	       (old->name.n == 0 || memcmp(old->name.p, new->name.p, old->name.n) == 0);
}

/* In order; the list is used up. Returns how many there are. */
static uint64_t print_rows(struct rows *rows, struct ck_buf *out)
{
	uint64_t count = 0;

	if (rows->n)
		qsort(rows->v, rows->n, sizeof(*rows->v), by_name);
	for (size_t i = 0; i < rows->n; i++) {
		struct row *row = &rows->v[i];

		rows->failed |= ck_buf_failed(&row->name) || ck_buf_failed(&row->rest);
		if (i + 1 < rows->n && replaces(row, row + 1)) {
			row[1].edit = "replaced";
		} else {
			ck_buf_str(out, count++ ? ",\n    {\"name\": " : "\n    {\"name\": ");
			ck_json_bytes(ck_span(row->name.p ? row->name.p : "", row->name.n), out);
			if (row->edit) {
				ck_buf_str(out, ", ");
				text(out, "edit", row->edit);
			}
			if (row->rest.n)
				ck_buf_add(out, row->rest.p, row->rest.n);
			ck_buf_char(out, '}');
		}
	}
	for (size_t i = 0; i < rows->n; i++) {
		ck_buf_done(&rows->v[i].name);
		ck_buf_done(&rows->v[i].rest);
	}
	free(rows->v);
	out->failed |= rows->failed;
	ck_buf_str(out, count ? "\n  ],\n" : "],\n");
	return count;
}

static uint64_t staged_rows(struct ck_stage *s, struct ck_buf *out)
{
	struct rows rows = { 0 };

	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		if (n->is_dir)
			add_dir(s, n, &rows);
		else
			add_file(s, n, &rows);
	}
	return print_rows(&rows, out);
}

static uint64_t unfinished_rows(struct ck_stage *s, struct ck_buf *out)
{
	struct rows rows = { 0 };

	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		struct ck_buf ck_auto_buf why = CK_BUF_INIT;
		struct row *row;

		if (!ck_snode_is_var(n) || !(n->now.content || n->now.meta) ||
		    !ck_snode_unfinished(s, n, &why) || !(row = add_row(&rows, NULL)))
			continue;
		add_name(s, n, &row->name);
		ck_buf_str(&row->rest, ", ");
		text(&row->rest, "why", why.p ? why.p : "");
		rows.failed |= ck_buf_failed(&why);
	}
	return print_rows(&rows, out);
}

static int add_edited(void *arg, const struct ck_ext *e)
{
	uint64_t *bytes = arg;

	if (e->kind == CK_EXT_JOURNAL)
		*bytes += e->len;
	return 0;
}

/* Bytes that publishing is going to write, or spare. */
struct cost {
	uint64_t fresh, copied, cloned, in_place;
};

static void add_cost(struct cost *cost, const struct ck_plan *p)
{
	const struct ck_snode *last = NULL;

	for (size_t i = 0; i < p->nitems; i++) {
		const struct ck_item *it = &p->items[i];

		switch (it->how) {
		case CK_ITEM_COPY: /* a fresh one may turn out to lie right already */
			*(it->n->now.content->homed ? &cost->copied : &cost->fresh) += it->nbytes;
			break;
		case CK_ITEM_CLONE:
			cost->cloned += it->nbytes;
			break;
		case CK_ITEM_INPLACE: /* the slices of a variable stand together */
			if (it->n != last)
				ck_extmap_each(it->n->now.content->map, add_edited,
					       &cost->in_place);
			last = it->n;
			break;
		default:
			break;
		}
	}
}

/* What publishing would do now, and what it would write besides the index. */
static void publish_member(struct ck_stage *s, struct ck_buf *out)
{
	static const char *const hows[] = {
		[CK_PUBLISH_AUTO] = "auto",
		[CK_PUBLISH_REPLACE] = "replace",
		[CK_PUBLISH_INPLACE] = "inplace",
	};
	struct cost c = { 0 };
	struct ck_plan p;
	bool moves;

	ck_buf_str(out, "  \"publish\": {");
	text(out, "option", hows[s->o.how]);
	if (ck_plan_make(s, &p, NULL) == 0) {
		add_cost(&c, &p);
		moves = c.copied || c.cloned || c.fresh;
		ck_buf_str(out, ", ");
		text(out, "will", p.unfinished ? "be refused while something is unfinished" :
		     !p.nchanges ? "change nothing" :
		     c.in_place && moves ? "append, and write inside variables in place" :
		     c.in_place ? "write inside variables in place" :
		     moves ? "append, then replace the index" : "replace the index");
		ck_buf_printf(out, ", \"new_bytes\": %" PRIu64 ", \"copy_bytes\": %" PRIu64
			      ", \"shared_bytes\": %" PRIu64 ", \"in_place_bytes\": %" PRIu64,
			      c.fresh, c.copied, c.cloned, c.in_place);
		ck_plan_done(&p);
	}
	ck_buf_str(out, "},\n");
}

static void last_member(struct ck_stage *s, struct ck_buf *out)
{
	const struct ck_publish_report *r = &s->last.report;
	struct tm tm;
	char when[32];

	ck_buf_str(out, "  \"last_publish\": ");
	if (!s->last.any) {
		ck_buf_str(out, "null,\n");
		return;
	}
	gmtime_r(&s->last.when, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	ck_buf_str(out, "{");
	text(out, "when", when);
	ck_buf_str(out, ", ");
	text(out, "to", r->target);
	ck_buf_str(out, ", ");
	text(out, "how", r->how);
	if (*r->shards) {
		ck_buf_str(out, ", ");
		text(out, "data_files", r->shards);
	}
	ck_buf_printf(out, ", \"variables\": %" PRIu64 ", \"copied_bytes\": %" PRIu64
		      ", \"shared_bytes\": %" PRIu64 ", \"in_place_bytes\": %" PRIu64
		      ", \"index_bytes\": %" PRIu64 ", \"seconds\": %.3f},\n", r->variables, r->copied,
		      r->cloned, r->in_place, r->index, r->seconds);
}

static const char *next_step(const struct ck_stage *s, uint64_t staged, uint64_t unfinished)
{
	if (s->in_doubt)
		return "unmount and mount again: a disk failed while publishing";
	if (s->committed)
		return "commit again: a publish is committed and has to be finished";
	if (unfinished)
		return "finish what is unfinished, or take it back with ckptctl discard; then commit";
	if (s->recovered && !s->own)
		return "publish the recovered edits with ckptctl commit, or drop them with ckptctl "
		       "discard";
	return staged ? "publish with ckptctl commit, or by unmounting" : "nothing is staged";
}

void ck_stage_status(struct ck_stage *s, struct ck_buf *out)
{
	uint64_t staged, unfinished;

	pthread_mutex_lock(&s->edit_lock);
	ck_buf_str(out, "  \"staged\": [");
	staged = staged_rows(s, out);
	ck_buf_str(out, "  \"unfinished\": [");
	unfinished = unfinished_rows(s, out);
	ck_buf_printf(out, "  \"recovered\": %s,\n", s->recovered ? "true" : "false");
	ck_buf_str(out, "  \"journal\": {");
	text(out, "path", s->journal_path);
	ck_buf_printf(out, ", \"bytes\": %" PRIu64 ", \"durable_bytes\": %" PRIu64 "},\n",
		      s->journal ? ck_journal_size(s->journal) : s->o.look ? s->found : 0,
		      s->journal ? ck_journal_durable(s->journal) : 0);
	publish_member(s, out);
	last_member(s, out);
	if (s->last.error) {
		ck_buf_str(out, "  ");
		text(out, "last_error", s->last.error);
		ck_buf_str(out, ",\n");
	}
	ck_buf_str(out, "  ");
	text(out, "next", next_step(s, staged, unfinished));
	ck_buf_char(out, '\n');
	pthread_mutex_unlock(&s->edit_lock);
}

void ck_stage_pending(const struct ck_vfs *vfs, const char *prefix, struct ck_buf *out)
{
	struct ck_err why = CK_ERR_INIT;
	struct ck_pending p;

	if (ck_pending_open(vfs, prefix, &p, &why) < 0) {
		if (why.cls != CK_OK)
			ck_buf_str(out, why.text);
		return;
	}
	switch (p.state) {
	case CK_PENDING_NONE:
		break;
	case CK_PENDING_STAGED:
		if (p.edits)
			ck_buf_printf(out, "%s: edits that were not published are kept in %s: publish "
				      "them with ckptctl commit, or drop them with ckptctl discard",
				      prefix, p.journal_path);
		break;
	case CK_PENDING_COMMITTED:
		ck_buf_printf(out, "%s: a publish was cut short and is read through %s: ckptctl "
			      "commit finishes it", prefix, p.journal_path);
		break;
	case CK_PENDING_FOREIGN:
		ck_buf_printf(out, "%s: the edits in %s are of another state of it (%s): the next "
			      "writer sets them aside", prefix, p.journal_path, p.why);
		break;
	}
	ck_pending_done(&p);
}
