/* missing.c - see missing.h. */
#include "core/missing.h"

#include "core/sniff.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* Whether the path is a symlink that leads nowhere; says so in *err. */
static bool dangles(const char *path, struct ck_err *err)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (stat(path, &st) == 0 || (errno != ENOENT && errno != ELOOP))
		return false;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	ck_fail(err, CK_MISSING, ENOENT,
		"%s: a symlink to %s, which is not there: download or copy that as well", path,
		target);
	return true;
}

/* A file of the V1 kind, as its content has it. */
static bool is_v1(const char *folder, const char *name, struct ck_err *err)
{
	char *path = ck_path_join(folder, name), words[CK_SNIFF_ROOM];
	struct ck_source *s = NULL;
	bool is = path && ck_path_is_file(path, "") && ck_source_open(path, &s, NULL) == 0 &&
		  ck_sniff(s, words, sizeof(words)) == CK_UNSUPPORTED &&
		  strstr(words, "TensorFlow V1");

	if (is)
		ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			"%s: %s: this version reads TensorFlow V2 checkpoints", path, words);
	ck_source_unref(s);
	free(path);
	return is;
}

/* What stands behind the prefix in the names of its files, the most telling first. */
static const struct part {
	const char *begins;
	const char *holds; /* somewhere behind that */
	const char *what, *todo;
} parts[] = {
	{ ".index.tempstate", "", "a save that never finished", "give an earlier checkpoint" },
	{ ".data-", ".tempstate", "a save that never finished", "give an earlier checkpoint" },
	{ ".index.", "", "a download that has not finished", "finish it" },
	{ ".data-", "", "one half of a checkpoint", "copy or download that too" },
	{ ".meta", "", "only the graph of a checkpoint", "copy or download the other files too" },
};

static const char *find_part(const struct ck_survey *s, const char *base, const struct part *p)
{
	size_t n = strlen(base);

	for (size_t i = 0; i < s->files.n; i++) {
		const char *name = s->files.v[i];

		if (begins(name, base) && begins(name + n, p->begins) && strstr(name + n, p->holds))
			return name;
	}
	return NULL;
}

/* What is there of a bundle that has no .index. */
static int explain(const struct ck_survey *s, const char *prefix, struct ck_err *err)
{
	const char *base = ck_path_base(prefix), *name;
	size_t n = strlen(base);

	for (size_t i = 0; i < s->files.n; i++) {
		name = s->files.v[i];
		if (begins(name, base) &&
		    (!name[n] || fnmatch("-[0-9]*-of-[0-9]*", name + n, 0) == 0) &&
		    is_v1(s->folder, name, err))
			return -EOPNOTSUPP;
	}
	for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
		char *path;

		name = find_part(s, base, &parts[k]);
		if (!name)
			continue;
		path = ck_path_join(s->folder, name);
		ck_fail(err, CK_MISSING, ENOENT, "%s: %s, and there is no %s.index: %s",
			path ? path : name, parts[k].what, prefix, parts[k].todo);
		free(path);
		return -ENOENT;
	}
	for (size_t i = 0; i < s->dirs.n; i++) {
		name = s->dirs.v[i];
		if (begins(name, base) && strcmp(name + n, "_temp") == 0)
			return ck_fail(err, CK_MISSING, ENOENT,
				       "%s_temp: a save that never finished, and there is no "
				       "%s.index: give an earlier checkpoint",
				       prefix, prefix);
	}
	return 0;
}

int ck_missing_index(const char *prefix, struct ck_err *err)
{
	struct ck_buf ck_auto_buf index = CK_BUF_INIT;
	char *folder = ck_path_folder(prefix);
	struct ck_survey s;
	int r = 0;

	ck_buf_printf(&index, "%s.index", prefix);
	if (!folder || ck_buf_failed(&index)) {
		r = ck_fail_nomem(err, prefix);
	} else if (dangles(index.p, err)) {
		r = -ENOENT;
	} else if (ck_survey(folder, &s) == 0) {
		r = explain(&s, prefix, err);
		ck_survey_done(&s);
	}
	free(folder);
	return r;
}

int ck_missing_index_in(const struct ck_survey *s, struct ck_err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->files.n && r == 0; i++) {
		const char *name = s->files.v[i];
		size_t n = ck_path_prefix_len(name);
		char *path, *prefix;

		if (!name[n])
			continue;
		path = ck_path_join(s->folder, name);
		prefix = path ? strndup(path, strlen(path) - strlen(name + n)) : NULL;
		r = prefix ? ck_missing_index(prefix, err) : ck_fail_nomem(err, name);
		free(prefix);
		free(path);
	}
	return r;
}

/*
 * Paths that do not exist at all.
 */

/* A path that exists once blanks, or a slash, are taken off its end. */
static int explain_ending(const char *source, struct ck_err *err)
{
	size_t n = strlen(source), k = n;
	const char *what = "it ends in a slash, and is no folder";
	struct stat st;
	char *path;
	bool is;

	while (k > 1 && source[k - 1] == '/')
		k--;
	if (k == n) {
		what = "it ends in a blank";
		while (k > 1 && strchr(" \t\r\n", source[k - 1]))
			k--;
	}
	if (k == n)
		return 0;
	path = strndup(source, k);
	if (!path)
		return ck_fail_nomem(err, source);
	is = stat(path, &st) == 0 || ck_path_is_file(path, ".index");
	if (is)
		ck_fail(err, CK_MISSING, ENOENT, "%s: %s: give %s", source, what, path);
	free(path);
	return is ? -ENOENT : 0;
}

static int explain_folder(const char *source, const char *folder, struct ck_err *err)
{
	struct stat st;

	if (!*folder)
		return 0;
	if (stat(folder, &st) < 0)
		return ck_fail(err, CK_MISSING, errno, "%s: there is no folder %s", source, folder);
	if (!S_ISDIR(st.st_mode))
		return ck_fail(err, CK_MISSING, ENOTDIR, "%s: %s is not a folder", source, folder);
	return 0;
}

/*
 * The prefix that the user may have had in mind: without a file's suffix, and of a pattern that
 * the shell found nothing for (or that a V1 state file has) the part before it.
 */
static char *stem(const char *source)
{
	const char *base = ck_path_base(source);
	size_t front = (size_t)(base - source), n = strcspn(base, "*?[");

	if (!base[n])
		return strndup(source, ck_path_prefix_len(source));
	if (n >= 6 && strncmp(base + n - 6, ".data-", 6) == 0)
		n -= 6;
	else if (n && (base[n - 1] == '-' || base[n - 1] == '.'))
		n--;
	return strndup(source, front + n);
}

/* The folder's checkpoints whose names go on from the one given, or else all of them. */
static int explain_near(const char *source, const char *prefix, const struct ck_survey *s,
			struct ck_err *err)
{
	struct ck_names near = { .v = calloc(s->bundles.n + 1, sizeof(*near.v)) };
	struct ck_buf ck_auto_buf list = CK_BUF_INIT;
	bool any;

	if (!near.v)
		return ck_fail_nomem(err, source);
	for (size_t i = 0; i < s->bundles.n; i++) {
		if (begins(s->bundles.v[i], ck_path_base(prefix)))
			near.v[near.n++] = s->bundles.v[i];
	}
	any = near.n > 0;
	ck_names_list(any ? &near : &s->bundles, s->folder, NULL, "", &list);
	free(near.v);
	if (ck_buf_failed(&list))
		return ck_fail_nomem(err, source);
	if (any)
		return ck_fail(err, CK_MISSING, ENOENT, "%s: there is no such checkpoint: give %s",
			       source, list.p);
	if (s->bundles.n)
		return ck_fail(err, CK_MISSING, ENOENT,
			       "%s: there is no such checkpoint, but others in its folder: give %s",
			       source, list.p);
	return ck_fail(err, CK_MISSING, ENOENT,
		       "%s: there is no such file or folder, nor a checkpoint %s.index", source,
		       prefix);
}

int ck_missing(const char *source, struct ck_err *err)
{
	char *folder = ck_path_folder(source), *prefix = stem(source);
	struct ck_survey s;
	int r;

	if (!folder || !prefix) {
		r = ck_fail_nomem(err, source);
		goto out;
	}
	if (strstr(source, "://")) {
		r = ck_fail(err, CK_MISSING, ENOENT,
			    "%s: an address, not a path: download it, or mount its store first",
			    source);
		goto out;
	}
	r = explain_ending(source, err);
	if (r == 0)
		r = explain_folder(source, folder, err);
	if (r == 0 && dangles(source, err))
		r = -ENOENT;
	if (r == 0 && ck_path_is_file(prefix, ".index"))
		r = ck_fail(err, CK_MISSING, ENOENT, "%s: there is no such file: give %s", source,
			    prefix);
	if (r == 0)
		r = ck_missing_index(prefix, err);
	if (r < 0)
		goto out;
	r = ck_survey(folder, &s);
	if (r < 0) {
		ck_fail(err, CK_MISSING, -r, "%s: cannot be examined: %s", source, strerror(-r));
		goto out;
	}
	r = explain_near(source, prefix, &s, err);
	ck_survey_done(&s);
out:
	free(folder);
	free(prefix);
	return r;
}
