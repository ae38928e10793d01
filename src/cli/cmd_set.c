/*
 * cmd_set.c - ckptctl set: the bytes of a variable from a file or a pipe.
 *
 * Without options they replace the bytes of a variable and have to be as many as before. With
 * --dtype and --shape the variable is made, or becomes something else.
 */
#include "cli/cli.h"

#include "cli/editor.h"
#include "core/tree.h"
#include "util/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file that is read. */
struct input {
	const char *path;
	int fd;
	struct ck_feed feed;
};

static ssize_t read_input(void *arg, void *p, size_t n, struct ck_err *err)
{
	struct input *in = arg;
	ssize_t got = read(in->fd, p, n);

	if (got < 0 && errno == EINTR)
		return -EINTR;
	if (got < 0)
		return ck_fail(err, CK_MISSING, errno, "%s: cannot be read: %s", in->path,
			       strerror(errno));
	return got;
}

static int open_input(const char *path, struct input *ret, struct ck_err *err)
{
	bool standard = strcmp(path, "-") == 0;
	struct input in = { .path = standard ? "standard input" : path };
	struct stat st;
	off_t at;

	in.fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (in.fd < 0 || fstat(in.fd, &st) < 0)
		return ck_fail(err, CK_MISSING, errno, "%s: cannot be opened: %s", in.path,
			       strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (!standard)
			close(in.fd);
		return ck_fail(err, CK_MISSING, EISDIR,
			       "%s: a folder, where the bytes of one variable were expected",
			       in.path);
	}
	/* Files of /proc and the like have no size, and standard input may have been read from. */
	at = standard ? lseek(in.fd, 0, SEEK_CUR) : 0;
	in.feed.sized = S_ISREG(st.st_mode) && st.st_size > 0 && at >= 0 && at <= st.st_size;
	if (in.feed.sized)
		in.feed.size = (uint64_t)(st.st_size - at);
	*ret = in;
	return 0;
}

/* --- what the variable is to be -------------------------------------------------------------- */

/* "2,3", "[2, 3]", "" and "[]": numbers, appended as uint64_t. */
static bool parse_numbers(const char *s, struct ck_buf *out)
{
	size_t n = strlen(s);
	const char *end = s + n;

	if (n >= 2 && s[0] == '[' && end[-1] == ']') {
		s++;
		end--;
	}
	while (s < end && *s == ' ')
		s++;
	if (s == end)
		return true;
	for (;;) {
		uint64_t v = 0;
		const char *first;

		while (s < end && *s == ' ')
			s++;
		for (first = s; s < end && *s >= '0' && *s <= '9'; s++) {
			if (!ck_mul_u64(v, 10, &v) || !ck_add_u64(v, (uint64_t)(*s - '0'), &v))
				return false;
		}
		if (s == first)
			return false;
		ck_buf_add(out, &v, sizeof(v));
		while (s < end && *s == ' ')
			s++;
		if (s == end)
			return true;
		if (*s++ != ',')
			return false;
	}
}

static void add_numbers(const char *member, const void *p, size_t n, struct ck_buf *json)
{
	ck_buf_printf(json, ",\n  \"%s\": ", member);
	ck_json_numbers(p, n, json);
}

static int bad_value(const char *option, const char *value, const char *why, struct ck_err *err)
{
	return ck_fail(err, CK_USAGE, EINVAL, "--%s=%s: %s", option, value, why);
}

static int add_dtype(const struct ck_args *args, const struct ck_varmeta *old, struct ck_buf *json,
		     struct ck_err *err)
{
	const char *given = ck_cli_value(args, CK_CLI_DTYPE);

	if (given && ck_dtype_by_name(ck_span(given, strlen(given))) == CK_DT_UNKNOWN)
		return bad_value("dtype", given,
				 "no dtype: names are those of ckptctl ls, as float32, int64, "
				 "bfloat16, bool, string",
				 err);
	ck_buf_printf(json, ",\n  \"dtype\": \"%s\"",
		      given ? given : ck_dtype_info(old->dtype)->name);
	return 0;
}

static int add_shape(const struct ck_args *args, const struct ck_varmeta *old, struct ck_buf *json,
		     struct ck_err *err)
{
	const char *given = ck_cli_value(args, CK_CLI_SHAPE);
	struct ck_buf ck_auto_buf numbers = CK_BUF_INIT;

	if (given && !parse_numbers(given, &numbers))
		return bad_value("shape", given, "no shape: write it as 2,3, a scalar's as []", err);
	if (given)
		add_numbers("shape", numbers.p, numbers.n / sizeof(uint64_t), json);
	else
		add_numbers("shape", old->shape, old->rank, json);
	json->failed |= numbers.failed;
	return 0;
}

static int add_lengths(const struct ck_args *args, struct ck_buf *json, struct ck_err *err)
{
	const char *given = ck_cli_value(args, CK_CLI_LENGTHS);
	struct ck_buf ck_auto_buf numbers = CK_BUF_INIT;

	if (!given)
		return 0;
	if (!parse_numbers(given, &numbers))
		return bad_value("lengths", given, "no lengths: write them as 3,4,5", err);
	add_numbers("lengths", numbers.p, numbers.n / sizeof(uint64_t), json);
	json->failed |= numbers.failed;
	return 0;
}

/* V.json's text for what is asked for on top of what there is; nothing that is not asked for is
 * taken over but dtype, shape and byte order, since it goes with the old bytes. */
static int make_json(const struct ck_args *args, struct ck_span name, const struct ck_varmeta *old,
		     const char *where, struct ck_buf *json, struct ck_varmeta **ret,
		     struct ck_err *err)
{
	int r;

	ck_buf_str(json, "{\n  \"name\": ");
	ck_json_bytes(name, json);
	r = add_dtype(args, old, json, err);
	if (r == 0)
		r = add_shape(args, old, json, err);
	if (r == 0)
		r = add_lengths(args, json, err);
	if (r < 0)
		return r;
	/* A new one's bytes are in the checkpoint's order, whichever that is. */
	if (old)
		ck_buf_printf(json, ",\n  \"byte_order\": \"%s\"",
			      old->big_endian ? "big" : "little");
	ck_buf_str(json, "\n}\n");
	if (ck_buf_failed(json))
		return ck_fail_nomem(err, where);
	return ck_varmeta_parse(ck_span(json->p, json->n), NULL, false, where, ret, err);
}

static int check_strings(const struct ck_args *args, struct ck_span name,
			 const struct ck_varmeta *meta, const char *where, struct ck_err *err)
{
	bool given = ck_cli_value(args, CK_CLI_LENGTHS);
	char quoted[CK_QUOTE_ROOM];

	ck_quote(quoted, sizeof(quoted), name.p, name.n);
	if (given && meta->dtype != CK_DT_STRING)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "%s: variable %s: of dtype %s: only strings have --lengths", where,
			       quoted, ck_dtype_info(meta->dtype)->name);
	if (meta->dtype == CK_DT_STRING && meta->rank && meta->elements && !given)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "%s: variable %s: %" PRIu64 " strings: give the bytes of each with "
			       "--lengths N,N...",
			       where, quoted, meta->elements);
	if (!ck_dtype_readable(meta->dtype))
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: variable %s: of dtype %s, which cannot be written", where,
			       quoted, ck_dtype_info(meta->dtype)->name);
	return 0;
}

/* Where TF2's ending was forgotten, another variable was meant than the one that would be made. */
static int check_suffix(struct ck_editor *e, struct ck_span name, struct ck_err *err)
{
	struct ck_buf ck_auto_buf whole = CK_BUF_INIT;
	char quoted[CK_QUOTE_ROOM];
	bool there;
	int r;

	ck_buf_add(&whole, name.p, name.n);
	ck_buf_str(&whole, CK_TF2_SUFFIX);
	if (ck_buf_failed(&whole))
		return ck_fail_nomem(err, ck_editor_where(e));
	r = ck_editor_has(e, ck_span(whole.p, whole.n), &there, err);
	if (r < 0 || !there)
		return r;
	return ck_fail(err, CK_USAGE, ENOENT, "%s: there is no variable %s: give its whole name, %s",
		       ck_editor_where(e), ck_quote(quoted, sizeof(quoted), name.p, name.n),
		       whole.p);
}

static int check_new(struct ck_editor *e, struct ck_span name, unsigned given, struct ck_err *err)
{
	const unsigned needed = CK_CLI_DTYPE | CK_CLI_SHAPE;
	const char *where = ck_editor_where(e);
	char quoted[CK_QUOTE_ROOM];
	int r = check_suffix(e, name, err);

	ck_quote(quoted, sizeof(quoted), name.p, name.n);
	if (r == 0 && (given & needed) != needed)
		r = ck_fail(err, CK_USAGE, ENOENT,
			    "%s: there is no variable %s: --dtype and --shape make a new one", where,
			    quoted);
	if (r == 0 && (!name.n || name.p[name.n - 1] == '/'))
		r = ck_fail(err, CK_USAGE, EINVAL, "%s: %s is a scope's name, not a variable's",
			    where, quoted);
	return r;
}

/* --- the command ----------------------------------------------------------------------------- */

static int set(struct ck_editor *e, const struct ck_args *args, struct input *in,
	       struct ck_err *err)
{
	unsigned given = args->options & (CK_CLI_DTYPE | CK_CLI_SHAPE | CK_CLI_LENGTHS);
	struct ck_buf ck_auto_buf json = CK_BUF_INIT, plain = CK_BUF_INIT;
	struct ck_varmeta *old = NULL, *meta = NULL;
	struct ck_span name = ck_span(args->names[0], strlen(args->names[0]));
	const char *where = ck_editor_where(e);
	int r = ck_editor_meta(e, name, &old, err);

	if (r == -ENOENT) {
		ck_select_plain(args->names[0], name.n, &plain);
		if (ck_buf_failed(&plain))
			return ck_fail_nomem(err, where);
		name = ck_span(plain.p ? plain.p : "", plain.n);
		r = ck_editor_meta(e, name, &old, err);
	}
	if (r == -ENOENT || (r == 0 && (!old->has_dtype || !old->has_shape))) {
		r = check_new(e, name, given, err);
		old = ck_varmeta_unref(old);
	}
	if (r == 0)
		r = make_json(args, name, old, where, &json, &meta, err);
	if (r == 0)
		r = check_strings(args, name, meta, where, err);
	if (r == 0)
		r = ck_editor_put(e, name, meta, given ? &json : NULL, &in->feed, 0,
				  in->feed.size, err);
	ck_varmeta_unref(meta);
	ck_varmeta_unref(old);
	return r;
}

static int run(const struct ck_args *args)
{
	struct ck_editor_options o = { .source = args->source, .command = args->command };
	struct ck_err err = CK_ERR_INIT;
	struct ck_editor *e = NULL;
	struct input in = { .fd = -1 };
	int r = ck_editor_how(args, &o, &err), status;

	if (r == 0)
		r = open_input(args->names[1], &in, &err);
	in.feed.read = read_input;
	in.feed.arg = &in;
	if (r == 0)
		r = ck_editor_open(&o, &e, &err);
	if (r == 0)
		r = set(e, args, &in, &err);
	status = ck_editor_end(e, r, &err);
	if (in.fd > STDERR_FILENO)
		close(in.fd);
	return status;
}

const struct ck_command ck_cmd_set = {
	.name = "set",
	.operands = "SOURCE NAME FILE",
	.summary = "replaces the bytes of a variable, or makes one",
	.help = "Replaces the bytes of a variable by those of FILE (- is standard input) and\n"
		"publishes: row-major, in the checkpoint's byte order, without a header, as\n"
		"ckptctl cat writes them. They have to be as many as its dtype and shape take.\n"
		"--dtype and --shape make a new variable, or give one another dtype or shape.\n"
		"\n"
		"Of a string scalar FILE is the string. Of other string tensors it holds the\n"
		"strings one after the other, and --lengths says how many bytes each has.",
	.options = CK_CLI_DTYPE | CK_CLI_SHAPE | CK_CLI_LENGTHS | CK_CLI_PUBLISH,
	.min_names = 2,
	.max_names = 2,
	.run = run,
};
