/*
 * cmd_show.c - ckptctl show: values, in the layout of TensorFlow's inspect_checkpoint.
 *
 * Line for line what tensorflow/python/tools/inspect_checkpoint.py prints with --all_tensors (or
 * for one variable with --tensor_name), so that the two can be compared: sorted by name, a header
 * for each variable, and the number of elements of the whole checkpoint at the end.
 */
#include "cli/cli.h"

#include "cli/select.h"
#include "core/read.h"
#include "core/show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

static void add_header(const struct ck_model *m, const struct ck_var *v, bool escape,
		       struct ck_buf *out)
{
	const uint64_t *shape = ck_var_shape(m, v);
	struct ck_span name = ck_var_name(m, v);

	ck_buf_str(out, "tensor: ");
	if (escape)
		ck_cli_escape(name, out);
	else
		ck_buf_add(out, name.p, name.n);
	ck_buf_printf(out, " (%s) [", ck_dtype_info(v->dtype)->name);
	for (unsigned i = 0; i < v->rank; i++)
		ck_buf_printf(out, i ? ", %" PRIu64 : "%" PRIu64, shape[i]);
	ck_buf_str(out, "]\n");
}

static int show(struct ck_model *m, const struct ck_selection *s, const struct ck_args *args,
		struct ck_err *bad, struct ck_err *err)
{
	struct ck_buf ck_auto_buf out = CK_BUF_INIT;
	struct ck_show_options options = { .all = args->options & CK_CLI_ALL };
	bool terminal = isatty(STDOUT_FILENO);
	uint64_t params = 0;
	int r = 0;

	for (uint32_t i = 0; i < s->n && r == 0; i++) {
		const struct ck_var *v = &m->vars[s->vars[i]];
		struct ck_err why = CK_ERR_INIT;

		add_header(m, v, terminal, &out);
		if (ck_var_readable(m, s->vars[i], &why) == -EOPNOTSUPP) {
			ck_buf_str(&out, "<not convertible to a numpy dtype>");
		} else if (ck_show_var(m, s->vars[i], &options, &out, &why) < 0) {
			ck_buf_str(&out, "<damaged>");
			ck_fail(bad, why.cls, why.errnum, "%s", why.text);
		}
		ck_buf_char(&out, '\n');
		r = ck_cli_flush(&out, false, err);
	}
	for (uint32_t i = 0; i < m->nvars; i++)
		params += ck_var_elements(m, &m->vars[i]);
	ck_buf_printf(&out, "# Total number of params: %" PRIu64 "\n", params);
	return r < 0 ? r : ck_cli_flush(&out, true, err);
}

static int run(const struct ck_args *args)
{
	return ck_on_selection(args, show);
}

const struct ck_command ck_cmd_show = {
	.name = "show",
	.operands = "SOURCE [NAME...]",
	.summary = "values, as TensorFlow's inspect_checkpoint prints them",
	.help = "Prints the values of the variables, or of those that a NAME means, as\n"
		"TensorFlow's inspect_checkpoint does: more than 1000 elements are summarised.\n"
		"The last line counts the elements of the whole checkpoint.",
	.options = CK_CLI_ALL | CK_CLI_FORCE,
	.max_names = INT_MAX,
	.run = run,
};
