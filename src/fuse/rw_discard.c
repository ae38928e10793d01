/*
 * rw_discard.c - which edits a write to .ckptfuse/discard drops (rw.h).
 *
 * A line is a path as the mount shows it, else a variable's name. The latter becomes a path by the
 * rules for names: every folder may be written with .d, whether a variable has its name or not. A
 * text that is blank, or one word of a few, drops everything.
 */
#include "fuse/rw.h"

#include "base/log.h"
#include "core/names.h"

#include <errno.h>
#include <stdlib.h>

static struct ck_span without_suffix(struct ck_span name, const struct ck_options *o)
{
	const size_t n = sizeof(CK_TF2_SUFFIX) - 1;

	if (!o->raw_names && name.n > n && memcmp(name.p + name.n - n, CK_TF2_SUFFIX, n) == 0)
		name.n -= n;
	return name;
}

static void path_of_name(struct ck_span name, const struct ck_options *o, struct ck_buf *out)
{
	unsigned flags = CK_NAME_ROOT;
	const uint8_t *sep;

	name = without_suffix(name, o);
	while ((sep = memchr(name.p, o->sep, name.n))) {
		size_t n = (size_t)(sep - name.p);

		ck_name_encode(ck_span(name.p, n), flags, true, out);
		ck_buf_str(out, ".d/");
		name = ck_span(sep + 1, name.n - n - 1);
		flags = 0;
	}
	ck_name_encode(name, flags | CK_NAME_LAST, true, out);
}

/* What is not there is said by the caller, who may mean something else by the line. */
static int discard_one(struct ck_mount *m, const char *line)
{
	ck_auto_buf struct ck_buf path = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT, first = CK_ERR_INIT;
	int r = ck_stage_discard(m->rw->stage, line + strspn(line, "/"), &first);

	if (r == -ENOENT || r == -EINVAL || r == -ENOTDIR) {
		path_of_name(ck_span(line, strlen(line)), m->opt, &path);
		if (ck_buf_failed(&path))
			r = ck_fail_nomem(&err, "discard");
		else
			r = ck_stage_discard(m->rw->stage, path.p, &err);
	} else {
		err = first;
	}
	if (r == -ENOENT || r == -EINVAL || r == -ENOTDIR)
		return -ENOENT;
	if (r < 0)
		ck_log("%s", err.cls != CK_OK ? err.text : strerror(-r));
	return r;
}

static void log_unknown(const char *line)
{
	char quoted[CK_QUOTE_ROOM];

	ck_log("%s: nothing is staged under this path or name: see status.json",
	       ck_quote(quoted, sizeof(quoted), line, strlen(line)));
}

static int discard_all(struct ck_mount *m)
{
	struct ck_err err = CK_ERR_INIT;
	int r = ck_stage_discard(m->rw->stage, NULL, &err);

	if (r < 0)
		ck_log("%s", err.cls != CK_OK ? err.text : strerror(-r));
	return r;
}

/* Words for "do it", as people write them to a file that is a switch. Nothing else means all: a
 * name that was mistyped must not. */
static bool means_all(const char *word)
{
	static const char *const words[] = { "", "1", "y", "yes", "all", "*" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static int discard_lines(struct ck_mount *m, char *rest)
{
	char *line;
	int r = 0;

	while ((line = strsep(&rest, "\n"))) {
		int one = *line ? discard_one(m, line) : 0;

		if (one == -ENOENT)
			log_unknown(line);
		if (r == 0)
			r = one;
	}
	return r;
}

int ck_rw_discard(struct ck_mount *m, const char *text)
{
	size_t skip = strspn(text, " \t\r\n"), n = strlen(text + skip);
	char *copy = strdup(text), *word;
	int r;

	while (n && strchr(" \t\r\n", text[skip + n - 1]))
		n--;
	word = strndup(text + skip, n);
	if (!copy || !word)
		r = -ENOMEM;
	else if (!means_all(word))
		r = discard_lines(m, copy);
	/* A variable that is called so, and has edits, comes first. */
	else if (!*word || (r = discard_one(m, word)) == -ENOENT)
		r = discard_all(m);
	free(word);
	free(copy);
	return r;
}
