/*
 * cmd_verify.c - ckptctl verify: every checksum against the bytes.
 *
 * Variables are read in the order in which they lie in the shards, so that a disk reads on and
 * on. All damage is listed, not only the first.
 */
#include "cli/cli.h"

#include "base/progress.h"
#include "cli/select.h"
#include "core/ckpt.h"
#include "core/read.h"
#include "util/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct verify {
	struct ck_model *m;
	bool json;
	struct ck_buf out;		  /* not written yet */
	struct ck_buf damaged, unchecked; /* JSON: the elements of these arrays */
	uint64_t ndamaged, nunchecked, nproblems;
	uint64_t bytes, bytes_done;
	struct ck_meter meter;
};

static int by_place(const void *a, const void *b, void *arg)
{
	const struct ck_model *m = arg;
	const struct ck_var *x = &m->vars[*(const uint32_t *)a];
	const struct ck_var *y = &m->vars[*(const uint32_t *)b];
	bool sliced_x = x->flags & CK_VAR_SLICED, sliced_y = y->flags & CK_VAR_SLICED;

	/* Those in slices last: they lie in several places. */
	if (sliced_x != sliced_y)
		return sliced_x ? 1 : -1;
	if (!sliced_x && x->shard != y->shard)
		return x->shard < y->shard ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x > y) - (x < y);
}

static void add_element(struct verify *v, uint32_t var, const char *problem, struct ck_buf *array)
{
	ck_buf_str(array, array->n ? ",\n" : "\n");
	ck_cli_json(v->m, var, problem, array);
}

static void add_damaged(struct verify *v, uint32_t var, const char *text)
{
	v->ndamaged++;
	if (v->json)
		add_element(v, var, text, &v->damaged);
	else
		ck_buf_printf(&v->out, "%s\n", text);
}

static void add_unchecked(struct verify *v, uint32_t var)
{
	const struct ck_var *p = &v->m->vars[var];
	struct ck_span name = ck_var_name(v->m, p);
	char quoted[CK_QUOTE_ROOM];

	v->nunchecked++;
	if (v->json)
		add_element(v, var, NULL, &v->unchecked);
	else
		ck_buf_printf(&v->out,
			      "%s: variable %s: not checked: what its checksum covers is not known "
			      "for dtype %s (number %" PRId32 ")\n",
			      v->m->path, ck_quote(quoted, sizeof(quoted), name.p, name.n),
			      ck_dtype_info(p->dtype)->name, p->native);
}

static int check(struct verify *v, uint32_t var, struct ck_err *err)
{
	struct ck_err why = CK_ERR_INIT;
	int r = ck_var_verify(v->m, var, &why);

	v->bytes_done += v->m->vars[var].nbytes;
	if (r == -ENOMEM)
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	if (r == -EOPNOTSUPP)
		add_unchecked(v, var);
	else if (r < 0)
		add_damaged(v, var, why.text);
	if (r < 0 && !v->json) {
		ck_meter_clear(&v->meter);
		return ck_cli_flush(&v->out, true, err);
	}
	ck_meter_show(&v->meter, "comparing", v->bytes_done, v->bytes);
	return 0;
}

/* Damage that belongs to no variable: a shard that is missing, a block of the index. */
static void add_problems(struct verify *v)
{
	for (uint32_t i = 0; i < v->m->nproblems; i++) {
		const struct ck_problem *p = &v->m->problems[i];

		if (p->var != CK_NO_VAR)
			continue;
		if (v->json) {
			ck_buf_str(&v->out, v->nproblems ? ",\n" : "\n");
			ck_json_bytes(ck_span(p->text, strlen(p->text)), &v->out);
		} else {
			ck_buf_printf(&v->out, "%s\n", p->text);
		}
		v->nproblems++;
	}
}

static void add_array(struct verify *v, const char *name, const struct ck_buf *elements)
{
	ck_buf_printf(&v->out, ",\n\"%s\": [", name);
	ck_buf_add(&v->out, elements->p, elements->n);
	ck_buf_str(&v->out, elements->n ? "\n]" : "]");
	v->out.failed |= elements->failed;
}

static void add_summary(struct verify *v)
{
	ck_cli_count(v->m->nvars, "variable", &v->out);
	ck_buf_str(&v->out, ", ");
	ck_cli_count(v->bytes, "byte", &v->out);
	if (v->ndamaged || v->nproblems) {
		ck_buf_str(&v->out, ": ");
		ck_cli_count(v->ndamaged, "damaged variable", &v->out);
		if (v->nproblems) {
			ck_buf_str(&v->out, ", ");
			ck_cli_count(v->nproblems, "other problem", &v->out);
		}
	} else {
		ck_buf_str(&v->out, ": all checksums match");
	}
	if (v->nunchecked)
		ck_buf_printf(&v->out, ", %" PRIu64 " not checked", v->nunchecked);
	ck_buf_char(&v->out, '\n');
}

static int verify(struct verify *v, struct ck_selection *s, struct ck_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < s->n; i++)
		v->bytes += v->m->vars[i].nbytes;
	qsort_r(s->vars, s->n, sizeof(*s->vars), by_place, v->m);
	if (v->json) {
		ck_buf_str(&v->out, "{\"source\": ");
		ck_json_bytes(ck_span(v->m->path, strlen(v->m->path)), &v->out);
		ck_buf_printf(&v->out,
			      ",\n\"format\": \"%s\",\n\"variables\": %" PRIu32
			      ",\n\"bytes\": %" PRIu64 ",\n\"problems\": [",
			      v->m->format, v->m->nvars, v->bytes);
	}
	add_problems(v);
	if (v->json)
		ck_buf_str(&v->out, v->nproblems ? "\n]" : "]");
	for (uint32_t i = 0; i < s->n && r == 0; i++)
		r = check(v, s->vars[i], err);
	ck_meter_clear(&v->meter);
	if (r < 0)
		return r;
	if (v->json) {
		add_array(v, "damaged", &v->damaged);
		add_array(v, "unchecked", &v->unchecked);
		ck_buf_str(&v->out, "}\n");
	} else {
		add_summary(v);
	}
	return ck_cli_flush(&v->out, true, err);
}

static int run(const struct ck_args *args)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_selection s = { 0 };
	struct ck_catalog c;
	struct verify v = {
		.json = args->options & CK_CLI_JSON,
	};
	int r;

	ck_meter_init(&v.meter, STDERR_FILENO);
	r = ck_open(args->source, CK_OPEN_FORCE, &v.m, &err);
	if (r == 0) {
		c = ck_catalog_of_model(v.m);
		r = ck_select(&c, NULL, 0, &s, &err);
	}
	if (r == 0)
		r = verify(&v, &s, &err);
	ck_meter_done(&v.meter);
	ck_buf_done(&v.out);
	ck_buf_done(&v.damaged);
	ck_buf_done(&v.unchecked);
	ck_selection_done(&s);
	ck_model_unref(v.m);
	if (r < 0)
		return ck_cli_fail(&err);
	return v.ndamaged || v.nproblems ? CK_CORRUPT : CK_OK;
}

const struct ck_command ck_cmd_verify = {
	.name = "verify",
	.operands = "SOURCE",
	.summary = "compares every checksum with the bytes",
	.help = "Reads the whole checkpoint and compares every checksum with the bytes. Prints a\n"
		"line for each damaged variable and a summary; the exit status is 4 where\n"
		"anything is damaged.",
	.options = CK_CLI_JSON,
	.run = run,
};
