/*
 * cmd_ls.c - ckptctl ls: what variables there are.
 *
 * One pass over the variables, in the order of the index: a million lines take as long as writing
 * them. The columns' widths come from a look at the model before, which costs no reading.
 */
#include "cli/cli.h"

#include "cli/select.h"
#include "core/read.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

/* A name or shape longer than this does not widen the column for all the others. */
#define NAME_WIDTH_MAX 60
#define SHAPE_WIDTH_MAX 24

struct widths {
	size_t name, dtype, shape, bytes;
};

static size_t decimal(char *to, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	for (size_t i = 0; i < n; i++)
		to[i] = digits[n - 1 - i];
	return n;
}

static void widen(size_t *width, size_t n, size_t most)
{
	if (n > *width && n <= most)
		*width = n;
}

static void pad(struct ck_buf *out, size_t used, size_t width)
{
	static const char blanks[] =
		"                                                              ";

	_Static_assert(sizeof(blanks) > NAME_WIDTH_MAX + 2, "room for the widest column");
	ck_buf_add(out, blanks, (used < width ? width - used : 0) + 2);
}

/* [2,3]: without blanks, so that a line has four words. */
static size_t add_shape(const struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	const uint64_t *shape = ck_var_shape(m, v);
	size_t start = out->n;
	char number[20];

	ck_buf_char(out, '[');
	for (unsigned i = 0; i < v->rank; i++) {
		if (i)
			ck_buf_char(out, ',');
		ck_buf_add(out, number, decimal(number, shape[i]));
	}
	ck_buf_char(out, ']');
	return out->n - start;
}

static struct widths measure(const struct ck_model *m, const struct ck_selection *s)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct widths w = { 0 };
	char number[20];

	for (uint32_t i = 0; i < s->n; i++) {
		const struct ck_var *v = &m->vars[s->vars[i]];

		ck_buf_clear(&text);
		widen(&w.name, ck_cli_escape(ck_var_name(m, v), &text), NAME_WIDTH_MAX);
		ck_buf_clear(&text);
		widen(&w.shape, add_shape(m, v, &text), SHAPE_WIDTH_MAX);
		widen(&w.dtype, strlen(ck_dtype_info(v->dtype)->name), SIZE_MAX);
		widen(&w.bytes, decimal(number, v->nbytes), SIZE_MAX);
	}
	return w;
}

static void add_line(struct ck_model *m, uint32_t var, const struct widths *w, bool sized,
		     uint64_t nbytes, struct ck_buf *out)
{
	const struct ck_var *v = &m->vars[var];
	const char *dtype = ck_dtype_info(v->dtype)->name;
	char number[20] = "?";
	size_t digits = sized ? decimal(number, nbytes) : 1;

	pad(out, ck_cli_escape(ck_var_name(m, v), out), w->name);
	ck_buf_str(out, dtype);
	pad(out, strlen(dtype), w->dtype);
	pad(out, add_shape(m, v, out) + digits, w->shape + w->bytes);
	ck_buf_add(out, number, digits);
	ck_buf_char(out, '\n');
}

/* A variable that cannot be read is listed all the same; the first such error is the result. */
static int list(struct ck_model *m, const struct ck_selection *s, const struct ck_args *args,
		struct ck_err *bad, struct ck_err *err)
{
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	bool json = args->options & CK_CLI_JSON;
	struct widths w = { 0 };
	int r = 0;

	if (json)
		ck_buf_str(&out, "[");
	else
		w = measure(m, s);
	for (uint32_t i = 0; i < s->n && r == 0; i++) {
		struct ck_err why = CK_ERR_INIT;
		uint64_t nbytes;
		bool sized = ck_var_size(m, s->vars[i], &nbytes, &why) == 0;

		if (!sized)
			ck_fail(bad, why.cls, why.errnum, "%s", why.text);
		if (json) {
			ck_buf_str(&out, i ? ",\n" : "\n");
			ck_cli_json(m, s->vars[i], sized ? NULL : why.text, &out);
		} else {
			add_line(m, s->vars[i], &w, sized, nbytes, &out);
		}
		r = ck_cli_flush(&out, false, err);
	}
	if (json)
		ck_buf_str(&out, s->n ? "\n]\n" : "]\n");
	return r < 0 ? r : ck_cli_flush(&out, true, err);
}

static int run(const struct ck_args *args)
{
	return ck_on_selection(args, list);
}

const struct ck_command ck_cmd_ls = {
	.name = "ls",
	.operands = "SOURCE [NAME...]",
	.summary = "name, dtype, shape and bytes of the variables",
	.help = "Lists the variables, or those that a NAME means: name, dtype, shape and bytes.\n"
		"Control characters and what is not UTF-8 in a name are shown as ls -b shows\n"
		"them, a blank as \\040, so that a line always has four words.",
	.options = CK_CLI_JSON | CK_CLI_FORCE,
	.max_names = INT_MAX,
	.run = run,
};
