/* editor_open.c - where a checkpoint has to be edited: its files, or a mount (editor.h). */
#include "cli/editor_private.h"

#include "core/ckpt.h"
#include "core/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

int ck_editor_how(const struct ck_args *args, struct ck_editor_options *o, struct ck_err *err)
{
	static const char *const words[] = {
		[CK_PUBLISH_AUTO] = "auto",
		[CK_PUBLISH_REPLACE] = "replace",
		[CK_PUBLISH_INPLACE] = "inplace",
	};
	const char *value = ck_cli_value(args, CK_CLI_PUBLISH);

	for (size_t i = 0; value && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i]) == 0) {
			o->how = (enum ck_publish_how)i;
			o->how_given = true;
			return 0;
		}
	}
	return value ? ck_fail(err, CK_USAGE, EINVAL,
			       "--publish=%s: no way of publishing: auto, replace and inplace are",
			       value) :
		       0;
}

/* Whether a bundle can come to be at prefix: no part of one lies there, nor a folder. */
static bool is_vacant(const char *prefix)
{
	const char *base = ck_path_base(prefix);
	char *folder = ck_path_folder(prefix);
	struct ck_survey s;
	struct stat st;
	bool vacant = folder && *base && lstat(prefix, &st) < 0 && errno == ENOENT;
	size_t n = strlen(base);

	if (vacant && ck_survey(*folder ? folder : ".", &s) == 0) {
		for (size_t i = 0; i < s.files.n; i++) {
			const char *name = s.files.v[i];

			vacant &= strncmp(name, base, n) != 0 ||
				  (strncmp(name + n, ".data-", 6) != 0 &&
				   strcmp(name + n, ".index") != 0);
		}
		ck_survey_done(&s);
	} else if (vacant) {
		vacant = false; /* its folder is not there: that is what there is to say */
	}
	free(folder);
	return vacant;
}

/* The prefix that SOURCE leads to, or the one that is to be made. */
static int find_prefix(const struct ck_editor_options *o, char **ret, bool *create,
		       struct ck_err *err)
{
	struct ck_location at = { 0 };
	struct ck_err why = CK_ERR_INIT;
	char *prefix;

	*create = false;
	if (ck_locate(o->source, &at, &why) == 0) {
		*ret = strdup(at.prefix);
		ck_location_done(&at);
		return *ret ? 0 : ck_fail_nomem(err, o->source);
	}
	if (!o->create || why.cls != CK_MISSING)
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	prefix = strndup(o->source, ck_path_prefix_len(o->source));
	if (!prefix)
		return ck_fail_nomem(err, o->source);
	if (!is_vacant(prefix)) {
		free(prefix);
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	}
	*create = true;
	*ret = prefix;
	return 0;
}

static int open_mount(const struct ck_editor_options *o, struct ck_through *t,
		      struct ck_editor **ret, struct ck_err *err)
{
	int r = 0;

	if (!t->writable && !o->read_only)
		r = ck_fail(err, CK_USAGE, EROFS,
			    "%s: mounted read-only: mount it with -o rw, or give the checkpoint "
			    "itself, %s",
			    t->folder, t->source);
	if (o->how_given)
		r = ck_fail(err, CK_USAGE, EINVAL,
			    "%s: a mount publishes as it was told when it was mounted: leave "
			    "--publish out",
			    t->folder);
	if (r < 0) {
		ck_through_done(t);
		return r;
	}
	return ck_editor_open_mount(t, ret, err);
}

static int open_files(const struct ck_editor_options *o, struct ck_editor **ret,
		      struct ck_err *err)
{
	struct ck_err why = CK_ERR_INIT;
	struct ck_through t;
	char *prefix = NULL;
	bool create;
	int r = find_prefix(o, &prefix, &create, err);

	if (r < 0)
		return r;
	r = ck_editor_open_stage(o, prefix, create, ret, &why);
	if (why.cls == CK_BUSY && ck_through_holder(prefix, &t))
		r = open_mount(o, &t, ret, err);
	else if (r < 0)
		ck_fail(err, why.cls, why.errnum, "%s", why.text);
	free(prefix);
	return r;
}

int ck_editor_open(const struct ck_editor_options *o, struct ck_editor **ret, struct ck_err *err)
{
	struct ck_through t;
	int r;

	*ret = NULL;
	ck_editor_hold_signals();
	r = ck_through_look(o->source, &t) ? open_mount(o, &t, ret, err) :
					     open_files(o, ret, err);
	if (r < 0)
		ck_editor_release_signals();
	return r;
}
