/*
 * cmd_cp.c - ckptctl cp: variables of one checkpoint into another.
 *
 * What to copy and under which names is settled before anything is written: a NAME that means
 * nothing, or two variables that would get one name, cost nothing.
 */
#include "cli/cli.h"

#include "cli/supply.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* A variable of A and what it is to be called in B. */
struct pair {
	uint32_t var;
	size_t at, n; /* its new name in the plan's pool */
};

struct plan {
	struct ck_supply from;
	struct ck_catalog names;
	struct ck_buf pool;
	struct pair *v;
	size_t n, room;
	bool failed;
};

static void add(struct plan *p, uint32_t var, struct ck_span before, struct ck_span rest)
{
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 64;
		struct pair *v = reallocarray(p->v, room, sizeof(*v));

		if (!v) {
			p->failed = true;
			return;
		}
		p->v = v;
		p->room = room;
	}
	p->v[p->n++] = (struct pair){ .var = var, .at = p->pool.n, .n = before.n + rest.n };
	ck_buf_add(&p->pool, before.p, before.n);
	ck_buf_add(&p->pool, rest.p, rest.n);
}

static struct ck_span new_name(const struct plan *p, const struct pair *pair)
{
	return ck_span(p->pool.p + pair->at, pair->n);
}

/* The "=" that divides the operand, NULL where none does. */
static const char *divider(const char *operand)
{
	for (; *operand; operand++) {
		if (operand[0] == '\\' && operand[1] == '=')
			operand++;
		else if (*operand == '=')
			return operand;
	}
	return NULL;
}

static int refuse(const char *operand, const char *why, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	return ck_fail(err, CK_USAGE, EINVAL, "%s: %s",
		       ck_quote(quoted, sizeof(quoted), operand, strlen(operand)), why);
}

/* OLD/=NEW/: every variable of a scope; "" for all of them, or for none. */
static int add_scope(struct plan *p, const char *operand, struct ck_span old, struct ck_span new,
		     struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	size_t before = p->n;

	if (new.n && new.p[new.n - 1] != '/')
		return refuse(operand, "a scope becomes a scope: let what stands behind = end in /",
			      err);
	for (uint32_t i = 0; i < p->names.n; i++) {
		struct ck_span name = p->names.name(p->names.self, i);

		if (name.n > old.n && (!old.n || memcmp(name.p, old.p, old.n) == 0))
			add(p, i, new, ck_span(name.p + old.n, name.n - old.n));
	}
	if (p->n == before && !p->failed)
		return ck_fail(err, CK_USAGE, ENOENT, "%s: there is no scope %s: ckptctl ls shows "
						      "what there is",
			       p->names.where, ck_quote(quoted, sizeof(quoted), old.p, old.n));
	return 0;
}

static int add_renamed(struct plan *p, const char *operand, const char *equals,
		       struct ck_err *err)
{
	struct ck_buf ck_auto_buf old = CK_BUF_INIT, new = CK_BUF_INIT;
	uint32_t var;

	if (divider(equals + 1))
		return refuse(operand, "two of = divide it: a = in a name is written \\=", err);
	ck_select_plain(operand, (size_t)(equals - operand), &old);
	ck_select_plain(equals + 1, strlen(equals + 1), &new);
	if (ck_buf_failed(&old) || ck_buf_failed(&new))
		return ck_fail_nomem(err, p->names.where);
	if (!old.n && !new.n)
		return refuse(operand, "no name on either side of =", err);
	if (!old.n || old.p[old.n - 1] == '/')
		return add_scope(p, operand, ck_span(old.p, old.n), ck_span(new.p, new.n), err);
	if (!new.n || new.p[new.n - 1] == '/')
		return refuse(operand, "a variable needs a name of its own behind =", err);
	var = ck_catalog_find(&p->names, ck_span(old.p, old.n));
	if (var == CK_NO_NAME)
		return ck_select_none(&p->names, old.p, err);
	add(p, var, ck_span(new.p, new.n), ck_span(NULL, 0));
	return 0;
}

static int add_selected(struct plan *p, char **names, int nnames, struct ck_err *err)
{
	struct ck_selection s;
	int r = ck_select(&p->names, names, nnames, &s, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < s.n; i++)
		add(p, s.vars[i], p->names.name(p->names.self, s.vars[i]), ck_span(NULL, 0));
	ck_selection_done(&s);
	return 0;
}

static int by_new_name(const void *a, const void *b, void *plan)
{
	const struct pair *x = a, *y = b;
	int c = ck_span_cmp(new_name(plan, x), new_name(plan, y));

	return c ? c : (x->var > y->var) - (x->var < y->var);
}

/* Each new name once. In the order of new names, which is the order of B's index. */
static int settle(struct plan *p, const char *where, struct ck_err *err)
{
	char one[CK_QUOTE_ROOM], two[CK_QUOTE_ROOM], both[CK_QUOTE_ROOM];
	size_t kept = 0;

	if (p->failed || ck_buf_failed(&p->pool))
		return ck_fail_nomem(err, where);
	if (!p->n)
		return 0;
	qsort_r(p->v, p->n, sizeof(*p->v), by_new_name, p);
	for (size_t i = 0; i < p->n; i++) {
		struct ck_span name = new_name(p, &p->v[i]), a, b;

		if (!kept || ck_span_cmp(name, new_name(p, &p->v[kept - 1])) != 0) {
			p->v[kept++] = p->v[i];
			continue;
		}
		if (p->v[i].var == p->v[kept - 1].var)
			continue;
		a = p->names.name(p->names.self, p->v[kept - 1].var);
		b = p->names.name(p->names.self, p->v[i].var);
		return ck_fail(err, CK_USAGE, EINVAL, "%s: %s and %s would both be called %s",
			       where, ck_quote(one, sizeof(one), a.p, a.n),
			       ck_quote(two, sizeof(two), b.p, b.n),
			       ck_quote(both, sizeof(both), name.p, name.n));
	}
	p->n = kept;
	return 0;
}

static int make_plan(struct plan *p, const struct ck_args *args, struct ck_err *err)
{
	int r = 0;

	p->names = ck_supply_catalog(&p->from);
	if (args->nnames == 1)
		r = add_selected(p, NULL, 0, err);
	for (int i = 1; i < args->nnames && r == 0; i++) {
		const char *equals = divider(args->names[i]);

		r = equals ? add_renamed(p, args->names[i], equals, err) :
			     add_selected(p, args->names + i, 1, err);
	}
	if (r == 0)
		r = settle(p, args->names[0], err);
	for (size_t i = 0; i < p->n && r == 0; i++)
		r = ck_supply_readable(&p->from, p->v[i].var, err);
	return r;
}

/* Within one checkpoint only a new name is something to do. */
static int check_same(const struct plan *p, const struct ck_editor *e, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	if (!ck_editor_is_at(e, p->from.prefix))
		return 0;
	for (size_t i = 0; i < p->n; i++) {
		struct ck_span old = p->names.name(p->names.self, p->v[i].var);

		if (ck_span_cmp(old, new_name(p, &p->v[i])) == 0)
			return ck_fail(err, CK_USAGE, EINVAL,
				       "%s: both are this checkpoint, and %s would be copied onto "
				       "itself: NAME=NEW copies it under another name",
				       ck_editor_where(e),
				       ck_quote(quoted, sizeof(quoted), old.p, old.n));
	}
	return 0;
}

static int copy_one(struct plan *p, const struct pair *pair, struct ck_editor *e, uint64_t done,
		    uint64_t total, struct ck_err *err)
{
	struct ck_buf ck_auto_buf json = CK_BUF_INIT;
	struct ck_span name = new_name(p, pair);
	struct ck_item item;
	int r = ck_item_open(&p->from, pair->var, &item, err);

	if (r < 0)
		return r;
	ck_varmeta_render(item.meta, name, item.feed.size, &json);
	r = ck_buf_failed(&json) ? ck_fail_nomem(err, p->names.where) :
				   ck_editor_put(e, name, item.meta, &json, &item.feed, done,
						 total, err);
	ck_item_done(&item);
	return r;
}

static int copy(struct plan *p, struct ck_editor *e, struct ck_err *err)
{
	uint64_t done = 0, total = 0;
	int r = check_same(p, e, err);

	for (size_t i = 0; i < p->n; i++)
		total += ck_supply_size(&p->from, p->v[i].var);
	for (size_t i = 0; i < p->n && r == 0; i++) {
		r = copy_one(p, &p->v[i], e, done, total, err);
		done += ck_supply_size(&p->from, p->v[i].var);
	}
	return r;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* What B is to be, by --format or else by its suffix, as far as it can be made. */
static int check_format(const struct ck_args *args, struct ck_err *err)
{
	static const struct {
		const char *suffix, *format;
	} kinds[] = {
		{ ".safetensors", "safetensors" },
		{ ".safetensors.index.json", "safetensors" },
		{ ".pt", "pytorch" },
		{ ".pth", "pytorch" },
		{ ".bin", "pytorch" },
		{ ".gguf", "gguf" },
		{ ".npz", "npz" },
		{ ".h5", "hdf5" },
		{ ".keras", "keras" },
		{ ".onnx", "onnx" },
		{ "", "tensorflow-v1" },
	};
	const char *format = ck_cli_value(args, CK_CLI_FORMAT), *to = args->names[0];

	if (format && strcmp(format, "tensorflow") == 0)
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (format ? strcmp(format, kinds[i].format) == 0 :
			     *kinds[i].suffix && ends_with(to, kinds[i].suffix))
			return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
				       "%s: this version cannot write %s: --format tensorflow "
				       "writes a TensorFlow V2 checkpoint",
				       to, kinds[i].format);
	}
	if (format)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "--format=%s: no format: tensorflow is what this version writes",
			       format);
	return 0;
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = {
		.source = args->names[0],
		.command = args->command,
		.create = true,
	};
	struct ck_err err = CK_ERR_INIT;
	struct ck_editor *e = NULL;
	struct plan p = { 0 };
	int r = ck_editor_how(args, &o, &err), status;

	if (r == 0)
		r = check_format(args, &err);
	if (r == 0)
		r = ck_supply_open(args->source, args->options & CK_CLI_FORCE, &p.from, &err);
	if (r == 0)
		r = make_plan(&p, args, &err);
	if (r == 0)
		r = ck_editor_open(&o, &e, &err);
	if (r == 0)
		r = copy(&p, e, &err);
	status = ck_editor_end(e, r, &err);
	ck_supply_done(&p.from);
	ck_buf_done(&p.pool);
	free(p.v);
	return status;
}

const struct ck_command ck_cmd_cp = {
	.name = "cp",
	.operands = "A B [NAME[=NEW]...]",
	.summary = "copies variables of A into B, under other names too",
	.help = "Copies the variables of checkpoint A that a NAME means into checkpoint B, all of\n"
		"them without a NAME, and publishes B: all or nothing. What B has of these names\n"
		"is replaced, the rest of B stays. B is made where it is not there.\n"
		"\n"
		"NAME=NEW copies a variable under another name, OLD/=NEW/ a whole scope; =NEW/\n"
		"puts all into a scope, OLD/= takes one off. A = in a name is written \\=.",
	.options = CK_CLI_FORCE | CK_CLI_FORMAT | CK_CLI_PUBLISH,
	.min_names = 1,
	.max_names = INT_MAX,
	.run = run,
};
