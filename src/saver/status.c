/*
 * status.c - what status.json says about edits.
 */
#include "saver/stage_private.h"

#include "core/pending.h"
#include "util/json.h"

#include <inttypes.h>
#include <stdlib.h>

static void text(struct ck_buf *out, const char *name, const char *value)
{
	ck_buf_printf(out, "\"%s\": ", name);
	ck_json_bytes(ck_span(value, strlen(value)), out);
}

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

static void row(struct ck_buf *out, bool *any, const char *name, size_t len, const char *edit)
{
	ck_buf_str(out, *any ? ",\n    {\"name\": " : "\n    {\"name\": ");
	ck_json_bytes(ck_span(name, len), out);
	ck_buf_str(out, ", ");
	text(out, "edit", edit);
	*any = true;
}

static void staged_rows(struct ck_stage *s, struct ck_buf *out, uint64_t *count)
{
	bool any = false;

	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		struct ck_buf ck_auto_buf name = CK_BUF_INIT;
		bool var = ck_snode_is_var(n) && (n->now.content || n->now.meta);

		if (n->is_dir) {
			if (n->pub.dir && n->entry && ck_snode_is_dirty(n)) {
				ck_scope_name(s, n, &name);
				row(out, &any, name.p ? name.p : "", name.n, "renamed");
				ck_buf_str(out, ", \"from\": ");
				ck_json_bytes(n->pub_name, out);
				ck_buf_char(out, '}');
				++*count;
			}
			for (struct ck_sentry *e = n->children; e; e = e->next) {
				uint32_t var_no;

				if (e->node || e->base == CK_NO_NODE || e->base_dir ||
				    e->base_published || ck_snode_by_id(s, e->base, false))
					continue;
				var_no = ck_tree_var(s->tree, e->base);
				row(out, &any,
				    (const char *)ck_var_name(s->model, &s->model->vars[var_no]).p,
				    s->model->vars[var_no].name_len, "deleted");
				ck_buf_char(out, '}');
				++*count;
			}
			continue;
		}
		if (!var && n->pub_name.p) {
			row(out, &any, (const char *)n->pub_name.p, n->pub_name.n, "deleted");
			ck_buf_char(out, '}');
			++*count;
			continue;
		}
		if (!var || !ck_snode_is_dirty(n))
			continue;
		if (!ck_var_node_name(s, n, &name)) {
			ck_buf_clear(&name);
			ck_snode_path(n, &name);
		}
		row(out, &any, name.p ? name.p : "", name.n, edit_of(n));
		if (n->pub_name.p && ck_span_cmp(n->pub_name, ck_span(name.p, name.n)) != 0) {
			ck_buf_str(out, ", \"from\": ");
			ck_json_bytes(n->pub_name, out);
		}
		ck_buf_printf(out, ", \"nbytes\": %" PRIu64 "}",
			      n->now.content ? n->now.content->size : 0);
		++*count;
	}
	ck_buf_str(out, any ? "\n  ],\n" : "],\n");
}

static uint64_t unfinished_rows(struct ck_stage *s, struct ck_buf *out)
{
	uint64_t count = 0;

	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		struct ck_buf ck_auto_buf why = CK_BUF_INIT, path = CK_BUF_INIT;

		if (!ck_snode_is_var(n) || !(n->now.content || n->now.meta) ||
		    !ck_snode_unfinished(s, n, &why))
			continue;
		ck_snode_path(n, &path);
		ck_buf_str(out, count++ ? ",\n    {\"name\": " : "\n    {\"name\": ");
		ck_json_bytes(ck_span(path.p, path.n), out);
		ck_buf_str(out, ", ");
		text(out, "why", why.p);
		ck_buf_char(out, '}');
	}
	ck_buf_str(out, count ? "\n  ],\n" : "],\n");
	return count;
}

/* What publishing would do now, and what it would write besides the index. */
static void publish_member(struct ck_stage *s, struct ck_buf *out)
{
	static const char *const hows[] = {
		[CK_PUBLISH_AUTO] = "auto",
		[CK_PUBLISH_REPLACE] = "replace",
		[CK_PUBLISH_INPLACE] = "inplace",
	};
	uint64_t copied = 0, cloned = 0, in_place = 0, placed = 0;
	struct ck_plan p;

	ck_buf_str(out, "  \"publish\": {");
	text(out, "option", hows[s->o.how]);
	if (ck_plan_make(s, &p, NULL) == 0) {
		for (size_t i = 0; i < p.nitems; i++) {
			uint64_t n = p.items[i].nbytes;

			switch (p.items[i].how) {
			case CK_ITEM_COPY: /* a fresh one may turn out to lie right already */
				*(p.items[i].n->now.content->homed ? &copied : &placed) += n;
				break;
			case CK_ITEM_CLONE:
				cloned += n;
				break;
			case CK_ITEM_INPLACE:
				in_place += n;
				break;
			default:
				break;
			}
		}
		ck_buf_str(out, ", ");
		text(out, "will", !p.nchanges ? "change nothing" :
		     in_place && (copied || cloned || placed) ?
			     "append, and write inside variables in place" :
		     in_place ? "write inside variables in place" :
		     copied || cloned || placed ? "append, then replace the index" :
						  "replace the index");
		ck_buf_printf(out, ", \"new_bytes\": %" PRIu64 ", \"copy_bytes\": %" PRIu64
			      ", \"shared_bytes\": %" PRIu64 ", \"in_place_variables_bytes\": %" PRIu64,
			      placed, copied, cloned, in_place);
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
	uint64_t staged = 0, unfinished;

	pthread_mutex_lock(&s->edit_lock);
	ck_buf_str(out, "  \"staged\": [");
	staged_rows(s, out, &staged);
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
