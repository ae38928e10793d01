/* editor.c - see editor.h: what is the same however a checkpoint is edited. */
#include "cli/editor_private.h"

#include "core/names.h"
#include "util/json.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (1024 * 1024)

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define NSIGNALS (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t caught;
static struct sigaction before[NSIGNALS];
static bool holding;

static void on_signal(int number)
{
	caught = number;
}

/* Reads of a pipe are interrupted, since they may never end (no SA_RESTART). */
void ck_editor_hold_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal };

	for (size_t i = 0; i < NSIGNALS && !holding; i++) {
		sigaction(signals[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN) /* nohup */
			sigaction(signals[i], &a, NULL);
	}
	holding = true;
}

void ck_editor_release_signals(void)
{
	for (size_t i = 0; i < NSIGNALS && holding; i++)
		sigaction(signals[i], &before[i], NULL);
	holding = false;
}

int ck_editor_interrupted(struct ck_err *err)
{
	return caught ? ck_fail(err, CK_USAGE, EINTR, "interrupted: nothing was changed") : 0;
}

int ck_editor_init(struct ck_editor *e, const struct ck_editor_ops *ops, const char *where,
		   const char *prefix, struct ck_err *err)
{
	e->ops = ops;
	ck_meter_init(&e->meter, STDERR_FILENO);
	e->where = strdup(where);
	e->prefix = strdup(prefix);
	return e->where && e->prefix ? 0 : ck_fail_nomem(err, where);
}

void ck_editor_free(struct ck_editor *e)
{
	ck_meter_done(&e->meter);
	ck_namelist_done(&e->touched);
	free(e->where);
	free(e->prefix);
	free(e);
}

size_t ck_editor_bare(struct ck_span name)
{
	const size_t n = sizeof(CK_TF2_SUFFIX) - 1;

	if (name.n <= n || memcmp(name.p + name.n - n, CK_TF2_SUFFIX, n) != 0)
		return name.n;
	return name.n - n;
}

bool ck_editor_same_bare(struct ck_span a, struct ck_span b)
{
	size_t n = ck_editor_bare(a);

	return n == ck_editor_bare(b) && memcmp(a.p, b.p, n) == 0;
}

void ck_editor_spell(struct ck_span name, char sep, bool suffix, struct ck_buf *out)
{
	unsigned flags = CK_NAME_ROOT;
	const uint8_t *end;

	if (!suffix)
		name.n = ck_editor_bare(name);
	while (name.n && (end = memchr(name.p, sep, name.n))) {
		size_t n = (size_t)(end - name.p);

		ck_name_encode(ck_span(name.p, n), flags, true, out);
		ck_buf_str(out, ".d/");
		name = ck_span(end + 1, name.n - n - 1);
		flags = 0;
	}
	ck_name_encode(name, flags | CK_NAME_LAST, true, out);
}

/* --- the end --------------------------------------------------------------------------------- */

static void take_back(struct ck_editor *e)
{
	struct ck_err err = CK_ERR_INIT;

	if (e->touched.n && e->ops->abandon(e, &err) < 0)
		ck_cli_say("%s: some of it stays staged: ckptctl discard drops it (%s)", e->where,
			   err.text);
}

int ck_editor_close(struct ck_editor *e, int r, struct ck_err *err)
{
	int number;

	if (e) {
		struct ck_err why = CK_ERR_INIT;

		ck_meter_clear(&e->meter);
		if (r < 0) /* where nobody had words for it */
			ck_fail(err, CK_USAGE, -r, "%s: %s", e->where, strerror(-r));
		if (e->ops->close(e, &why) < 0 && r == 0)
			r = ck_fail(err, why.cls, why.errnum, "%s", why.text);
	}
	ck_editor_release_signals();
	number = caught;
	if (r < 0 && number) {
		ck_cli_fail(err);
		signal(number, SIG_DFL);
		raise(number);
	}
	return r < 0 ? ck_cli_fail(err) : 0;
}

/* In a mount the edits wait with the others there. Otherwise they are taken back, if it is not too
 * late for that: a publish that has begun is finished by the next who opens it. */
static int not_published(struct ck_editor *e, const struct ck_err *why, struct ck_err *err)
{
	const char *what = " (the edits stay staged: ckptctl commit tries again, ckptctl discard "
			   "drops them)";

	if (!e->mounted && e->ops->abandon(e, NULL) == 0)
		what = strstr(why->text, "nothing was changed") ? "" : ": nothing was changed";
	return ck_fail(err, CK_PUBLISH, why->errnum, "%s%s", why->text, what);
}

int ck_editor_end(struct ck_editor *e, int r, struct ck_err *err)
{
	struct ck_publish_report report;
	struct ck_err why = CK_ERR_INIT;

	if (!e)
		return ck_editor_close(e, r, err);
	if (r == 0)
		r = ck_editor_interrupted(err);
	if (r < 0) {
		e->ops->drop(e);
		take_back(e);
		return ck_editor_close(e, r, err);
	}
	r = e->ops->publish(e, &report, &why);
	ck_meter_clear(&e->meter);
	if (r < 0)
		r = not_published(e, &why, err);
	else if (e->dirty)
		ck_cli_say("%s: also published: edits %s", e->where,
			   e->mounted ? "that were staged in the mount" :
					"recovered from the journal");
	return ck_editor_close(e, r, err);
}

/* --- edits ----------------------------------------------------------------------------------- */

static int wrong_size(const struct ck_editor *e, struct ck_span name,
		      const struct ck_varmeta *meta, const char *more, uint64_t given,
		      uint64_t need, struct ck_err *err)
{
	struct ck_buf ck_auto_buf shape = CK_BUF_INIT;
	char quoted[CK_QUOTE_ROOM];

	for (uint32_t i = 0; i < meta->rank && i < 16; i++)
		ck_buf_printf(&shape, i ? ",%" PRIu64 : "%" PRIu64, meta->shape[i]);
	return ck_fail(err, CK_USAGE, EINVAL,
		       "%s: variable %s: %s%" PRIu64 " bytes given, %" PRIu64
		       " expected (%s [%s%s]%s): nothing was changed",
		       e->where, ck_quote(quoted, sizeof(quoted), name.p, name.n), more, given,
		       need,
		       ck_dtype_info(meta->dtype)->name, shape.p ? shape.p : "",
		       meta->rank > 16 ? ",..." : "", meta->lengths ? ", the sum of its lengths" : "");
}

static int feed_all(struct ck_editor *e, struct ck_span name, const struct ck_varmeta *meta,
		    struct ck_feed *feed, uint64_t done, uint64_t total, struct ck_err *err)
{
	uint8_t *piece = malloc(PIECE);
	uint64_t need, got = 0;
	bool known = ck_varmeta_need(meta, &need);
	ssize_t n = 0;
	int r = piece ? 0 : ck_fail_nomem(err, e->where);

	while (r == 0) {
		r = ck_editor_interrupted(err);
		if (r == 0)
			n = feed->read(feed->arg, piece, PIECE, err);
		if (n == -EINTR)
			continue;
		if (n <= 0 || r < 0)
			break;
		if (known && (uint64_t)n > need - got)
			r = wrong_size(e, name, meta, feed->sized ? "" : "more than ",
				       feed->sized ? feed->size : need, need, err);
		if (r == 0)
			r = e->ops->write(e, piece, (size_t)n, got, err);
		got += (uint64_t)n;
		ck_meter_show(&e->meter, "copying", done + got, total);
	}
	free(piece);
	if (r < 0 || n < 0)
		return r < 0 ? r : (int)n;
	return known && got != need ? wrong_size(e, name, meta, "", got, need, err) : 0;
}

int ck_editor_put(struct ck_editor *e, struct ck_span name, const struct ck_varmeta *meta,
		  const struct ck_buf *json, struct ck_feed *feed, uint64_t done, uint64_t total,
		  struct ck_err *err)
{
	uint64_t need;
	bool known = ck_varmeta_need(meta, &need);
	int r;

	/* Before anything is staged, where that can be known. */
	if (feed->sized && known && need != feed->size)
		return wrong_size(e, name, meta, "", feed->size, need, err);
	ck_namelist_add(&e->touched, name);
	if (e->touched.failed || ck_buf_failed(&e->touched.pool))
		return ck_fail_nomem(err, e->where);
	r = json ? e->ops->tell(e, name, json, err) : 0;
	if (r == 0)
		r = e->ops->begin(e, name, e->in_place && !json && known, err);
	if (r == 0)
		r = feed_all(e, name, meta, feed, done, total, err);
	if (r == 0)
		r = e->ops->end(e, err);
	else
		e->ops->drop(e);
	return r;
}

bool ck_editor_is_long(struct ck_span name)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;

	ck_editor_spell(name, '/', true, &path);
	return ck_buf_failed(&path) || strstr(path.p, "%~");
}

int ck_editor_rename(struct ck_editor *e, struct ck_span from, struct ck_span to,
		     struct ck_err *err)
{
	struct ck_buf ck_auto_buf json = CK_BUF_INIT;
	bool suffix = ck_editor_bare(from) != from.n || ck_editor_bare(to) != to.n;

	ck_namelist_add(&e->touched, from);
	ck_namelist_add(&e->touched, to);
	if (to.p[to.n - 1] == '/' || !(suffix || ck_editor_is_long(to)))
		return e->ops->rename(e, from, to, NULL, err);
	ck_buf_str(&json, "{\"name\": ");
	ck_json_bytes(to, &json);
	ck_buf_str(&json, "}\n");
	return ck_buf_failed(&json) ? ck_fail_nomem(err, e->where) :
				      e->ops->rename(e, from, to, &json, err);
}

int ck_editor_select(struct ck_editor *e, char **names, int nnames, struct ck_namelist *ret,
		     struct ck_err *err)
{
	struct ck_namelist all = { 0 }, some = { 0 };
	struct ck_selection s = { 0 };
	struct ck_catalog c;
	bool exact = nnames > 0;
	int r = 0;

	/* A list of them all may be long; most often it is not needed. */
	for (int i = 0; i < nnames && exact && r == 0; i++) {
		struct ck_span name = ck_span(names[i], strlen(names[i]));

		if (!name.n || name.p[name.n - 1] == '/')
			exact = false;
		else
			r = ck_editor_has(e, name, &exact, err);
		ck_namelist_add(&some, name);
	}
	if (r == 0 && !exact) {
		ck_namelist_done(&some);
		r = ck_editor_names(e, &all, err);
		c = ck_catalog_of_list(&all, e->where);
		if (r == 0)
			r = ck_select(&c, names, nnames, &s, err);
		for (uint32_t i = 0; i < s.n && r == 0; i++)
			ck_namelist_add(&some, ck_namelist_name(&all, s.vars[i]));
	}
	if (r == 0)
		r = ck_namelist_settle(&some, e->where, err);
	if (r < 0)
		ck_namelist_done(&some);
	else
		*ret = some;
	ck_selection_done(&s);
	ck_namelist_done(&all);
	return r;
}

/* --- the rest is passed on ------------------------------------------------------------------- */

const char *ck_editor_where(const struct ck_editor *e)
{
	return e->where;
}

bool ck_editor_is_new(const struct ck_editor *e)
{
	return e->is_new;
}

struct ck_meter *ck_editor_meter(struct ck_editor *e)
{
	return &e->meter;
}

bool ck_editor_is_at(const struct ck_editor *e, const char *prefix)
{
	return ck_same_checkpoint(e->prefix, prefix);
}

int ck_editor_has(struct ck_editor *e, struct ck_span name, bool *ret, struct ck_err *err)
{
	return e->ops->has(e, name, ret, err);
}

int ck_editor_names(struct ck_editor *e, struct ck_namelist *ret, struct ck_err *err)
{
	return e->ops->names(e, ret, err);
}

int ck_editor_meta(struct ck_editor *e, struct ck_span name, struct ck_varmeta **ret,
		   struct ck_err *err)
{
	return e->ops->meta(e, name, ret, err);
}

int ck_editor_remove(struct ck_editor *e, struct ck_span name, struct ck_err *err)
{
	ck_namelist_add(&e->touched, name);
	return e->ops->remove(e, name, err);
}

int ck_editor_discard(struct ck_editor *e, struct ck_span name, struct ck_err *err)
{
	return e->ops->discard(e, name, err);
}

int ck_editor_publish(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err)
{
	return e->ops->publish(e, ret, err);
}

json_t *ck_editor_status(struct ck_editor *e, struct ck_err *err)
{
	return e->ops->status(e, err);
}

int ck_editor_compact(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err)
{
	return e->ops->compact(e, ret, err);
}
