/*
 * options.c - see options.h.
 *
 * The rows below are the program's whole vocabulary of -o options. One that is not among them is
 * an error that names it: an option that is silently dropped is worse than none.
 */
#include "fuse/options.h"

#include "fuse/fuse.h"

#include <errno.h>
#include <fuse_opt.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOREVER 86400.0 /* what is mounted does not change by itself */

enum takes {
	FLAG, /* sets a bool */
	TEXT, /* NAME=VALUE: a string */
	NUMBER, /* NAME=N, decimal */
	OCTAL, /* NAME=N, as umask(1) has it */
	SECONDS, /* NAME=N, fractions allowed */
	LIBRARY, /* for libfuse and the kernel, with its value if it has one */
	NOTHING, /* known, and without meaning here */
	HELPER_NOTHING, /* the same when mount(8) passes it, else unknown */
};

struct row {
	const char *name; /* ends in '=' where a value follows */
	enum takes takes;
	size_t at;
};

#define AT(field) offsetof(struct ck_options, field)

static const struct row rows[] = {
	{ "debug", FLAG, AT(debug) },
	{ "clone_fd", FLAG, AT(clone_fd) },
	{ "force", FLAG, AT(force) },
	{ "raw_names", FLAG, AT(raw_names) },
	{ "writable", FLAG, AT(writable) },
	{ "sep=", TEXT, AT(sep_text) },
	{ "verify=", TEXT, AT(verify) },
	{ "subdir=", TEXT, AT(subdir) },
	{ "fsname=", TEXT, AT(fsname) },
	{ "notify_pipe=", TEXT, AT(notify_pipe) },
	{ "uid=", NUMBER, AT(uid) },
	{ "gid=", NUMBER, AT(gid) },
	{ "umask=", OCTAL, AT(umask) },
	{ "max_threads=", NUMBER, AT(max_threads) },
	{ "entry_timeout=", SECONDS, AT(entry_timeout) },
	{ "attr_timeout=", SECONDS, AT(attr_timeout) },
	{ "commit=", TEXT, AT(commit_text) },
	{ "create=", TEXT, AT(create_text) },
	{ "journal=", TEXT, AT(journal) },
	{ "publish=", TEXT, AT(publish_text) },
	{ "save=", TEXT, AT(save) },

	{ "allow_other", LIBRARY, 0 },
	{ "allow_root", LIBRARY, 0 },
	{ "auto_unmount", LIBRARY, 0 },
	{ "default_permissions", LIBRARY, 0 },
	{ "context=", LIBRARY, 0 },
	{ "fscontext=", LIBRARY, 0 },
	{ "defcontext=", LIBRARY, 0 },
	{ "rootcontext=", LIBRARY, 0 },
	{ "suid", LIBRARY, 0 },
	{ "nosuid", LIBRARY, 0 },
	{ "dev", LIBRARY, 0 },
	{ "nodev", LIBRARY, 0 },
	{ "exec", LIBRARY, 0 },
	{ "noexec", LIBRARY, 0 },
	{ "async", LIBRARY, 0 },
	{ "sync", LIBRARY, 0 },
	{ "dirsync", LIBRARY, 0 },
	{ "atime", LIBRARY, 0 },
	{ "noatime", LIBRARY, 0 },

	{ "subtype=", NOTHING, 0 }, /* it is always ckptfuse */
	{ "_netdev", HELPER_NOTHING, 0 },
	{ "auto", HELPER_NOTHING, 0 },
	{ "comment=", HELPER_NOTHING, 0 },
	{ "defaults", HELPER_NOTHING, 0 },
	{ "diratime", HELPER_NOTHING, 0 },
	{ "group", HELPER_NOTHING, 0 },
	{ "noauto", HELPER_NOTHING, 0 },
	{ "nodiratime", HELPER_NOTHING, 0 },
	{ "nofail", HELPER_NOTHING, 0 },
	{ "nogroup", HELPER_NOTHING, 0 },
	{ "noowner", HELPER_NOTHING, 0 },
	{ "nouser", HELPER_NOTHING, 0 },
	{ "nousers", HELPER_NOTHING, 0 },
	{ "norelatime", HELPER_NOTHING, 0 },
	{ "nostrictatime", HELPER_NOTHING, 0 },
	{ "owner", HELPER_NOTHING, 0 },
	{ "relatime", HELPER_NOTHING, 0 },
	{ "strictatime", HELPER_NOTHING, 0 },
	{ "user", HELPER_NOTHING, 0 },
	{ "user=", HELPER_NOTHING, 0 },
	{ "users", HELPER_NOTHING, 0 },
};

static int set_text(char **field, const char *value, struct ck_err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return ck_fail_nomem(err, "options");
	free(*field);
	*field = copy;
	return 0;
}

static int set_number(int64_t *field, const char *option, const char *value, int base,
		      struct ck_err *err)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(value, &end, base);
	if (*value < '0' || *value > '9' || *end || errno || n > UINT32_MAX - 1)
		return ck_fail(err, CK_USAGE, EINVAL, "-o %s: is not %s number", option,
			       base == 8 ? "an octal" : "a");
	*field = (int64_t)n;
	return 0;
}

static int set_seconds(double *field, const char *option, const char *value, struct ck_err *err)
{
	char *end;
	double d = strtod(value, &end);

	if (end == value || *end || !isfinite(d) || d < 0)
		return ck_fail(err, CK_USAGE, EINVAL, "-o %s: is not a number of seconds", option);
	*field = d > 1e9 ? 1e9 : d;
	return 0;
}

static const struct row *find_row(const char *option)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].name);

		if (rows[i].name[n - 1] == '=' ? strncmp(option, rows[i].name, n) == 0 :
						 strcmp(option, rows[i].name) == 0)
			return &rows[i];
	}
	return NULL;
}

static int unknown(const struct ck_options *o, const char *option, bool sloppy, struct ck_err *err)
{
	size_t n = strcspn(option, "=");

	if (o->helper && (sloppy || strncmp(option, "x-", 2) == 0 || strncmp(option, "X-", 2) == 0))
		return 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].name);
		bool value = rows[i].name[len - 1] == '=';

		if (rows[i].takes == HELPER_NOTHING && !o->helper)
			continue;
		if (len - value == n && strncmp(option, rows[i].name, n) == 0)
			return ck_fail(err, CK_USAGE, EINVAL, value ? "-o %s: a value is missing" :
				       "-o %s: takes no value", option);
	}
	return ck_fail(err, CK_USAGE, EINVAL, "-o %s: no such option: see ckptfuse --help", option);
}

static int take_option(struct ck_options *o, const char *option, bool sloppy, struct ck_err *err)
{
	const struct row *row;
	const char *value;
	void *field;

	if (!*option)
		return 0;
	/* The last of these wins, as with mount(8). */
	if (strcmp(option, "ro") == 0 || strcmp(option, "rw") == 0) {
		o->rw = option[1] == 'w';
		if (!o->rw)
			o->writable = false;
		return 0;
	}
	row = find_row(option);
	if (!row || (row->takes == HELPER_NOTHING && !o->helper))
		return unknown(o, option, sloppy, err);
	field = (char *)o + row->at;
	value = option + strlen(row->name);
	switch (row->takes) {
	case FLAG:
		*(bool *)field = true;
		return 0;
	case TEXT:
		return set_text(field, value, err);
	case NUMBER:
		return set_number(field, option, value, 10, err);
	case OCTAL:
		return set_number(field, option, value, 8, err);
	case SECONDS:
		return set_seconds(field, option, value, err);
	case LIBRARY:
		if (fuse_opt_add_opt_escaped(&o->library, option) < 0)
			return ck_fail_nomem(err, "options");
		return 0;
	case NOTHING:
	case HELPER_NOTHING:
		return 0;
	}
	return 0;
}

/* "a,b=c" at commas; a backslash takes the next byte as it is, so that values may hold commas. */
static int take_options(struct ck_options *o, const char *list, bool sloppy, struct ck_err *err)
{
	char *option = malloc(strlen(list) + 1);
	int r = 0;

	if (!option)
		return ck_fail_nomem(err, "options");
	while (r == 0) {
		size_t n = 0;

		for (; *list && *list != ','; list++) {
			if (*list == '\\' && list[1])
				list++;
			option[n++] = *list;
		}
		option[n] = '\0';
		r = take_option(o, option, sloppy, err);
		if (!*list)
			break;
		list++;
	}
	free(option);
	return r;
}

static int take_word(struct ck_options *o, const char *word, struct ck_err *err)
{
	if (!o->source)
		return set_text(&o->source, word, err);
	if (!o->mountpoint)
		return set_text(&o->mountpoint, word, err);
	return ck_fail(err, CK_USAGE, EINVAL, "%s: one argument too many: only SOURCE and MOUNTPOINT "
		       "are expected", word);
}

/* One letter of a bundle like -fs. */
static int take_letter(struct ck_options *o, char c, struct ck_err *err)
{
	switch (c) {
	case 'h':
		o->help = true;
		return 0;
	case 'V':
		o->version = true;
		return 0;
	case 'f': /* mount(8)'s -f is another one than FUSE's, and so is its -s, seen before */
		*(o->helper ? &o->fake : &o->foreground) = true;
		return 0;
	case 's':
		o->single = !o->helper;
		return 0;
	case 'd':
		o->debug = true;
		return 0;
	case 'n':
	case 'v':
		if (o->helper)
			return 0;
	}
	return ck_fail(err, CK_USAGE, EINVAL, "-%c: no such option: see ckptfuse --help", c);
}

static int take_arguments(struct ck_options *o, int argc, char **argv, struct ck_err *err)
{
	bool options = true, sloppy = false;
	int r = 0;

	/* mount(8) puts its flags behind the options that they are about. */
	for (int i = 1; o->helper && i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1] != 'o' && argv[i][1] != '-' &&
		    strchr(argv[i], 's') && !strchr(argv[i], 't') && !strchr(argv[i], 'N'))
			sloppy = true;
	for (int i = 1; r == 0 && i < argc; i++) {
		const char *a = argv[i];

		if (!options || a[0] != '-' || !a[1]) {
			r = take_word(o, a, err);
			continue;
		}
		if (a[1] == '-') {
			if (!a[2])
				options = false;
			else if (strcmp(a, "--help") == 0)
				o->help = true;
			else if (strcmp(a, "--version") == 0)
				o->version = true;
			else
				r = ck_fail(err, CK_USAGE, EINVAL,
					    "%s: no such option: see ckptfuse --help", a);
			continue;
		}
		for (a++; r == 0 && *a; a++) {
			bool helper_takes = o->helper && (*a == 't' || *a == 'N');

			if (*a != 'o' && !helper_takes) {
				r = take_letter(o, *a, err);
				continue;
			}
			if (!a[1] && i + 1 == argc)
				return ck_fail(err, CK_USAGE, EINVAL, "-%c: a value is missing", *a);
			if (*a == 'o')
				r = take_options(o, a[1] ? a + 1 : argv[i + 1], sloppy, err);
			i += !a[1];
			break;
		}
	}
	return r;
}

/* What is of no use without a writable mount. */
static int refuse_in_ro(const struct ck_options *o, struct ck_err *err)
{
	const char *option = o->commit_text ? "commit=" : o->create_text ? "create=" :
			     o->journal ? "journal=" : o->publish_text ? "publish=" :
			     o->save ? "save=" : NULL;

	if (!option)
		return 0;
	return ck_fail(err, CK_USAGE, EINVAL, "-o %s: is about a writable mount: add -o %s", option,
		       o->helper ? "writable" : "rw");
}

/* What can do nothing in one. */
static int refuse_in_rw(const struct ck_options *o, struct ck_err *err)
{
	if (o->entry_timeout >= 0 || o->attr_timeout >= 0)
		return ck_fail(err, CK_USAGE, EINVAL, "-o %s_timeout=: nothing is remembered in a "
			       "writable mount, where files change each other: leave it out",
			       o->entry_timeout >= 0 ? "entry" : "attr");
	if (o->verify_open)
		return ck_fail(err, CK_UNSUPPORTED, ENOTSUP, "-o verify=open: not in a writable "
			       "mount: run ckptctl verify before it is mounted");
	return 0;
}

static int settle_commit(struct ck_options *o, struct ck_err *err)
{
	if (!o->commit_text)
		return 0;
	o->manual = strcmp(o->commit_text, "manual") == 0;
	if (o->manual)
		return 0;
	if (set_number(&o->commit_seconds, o->commit_text, o->commit_text, 10, NULL) < 0 ||
	    o->commit_seconds < 1)
		return ck_fail(err, CK_USAGE, EINVAL, "-o commit=%s: is neither manual nor a "
			       "number of seconds", o->commit_text);
	return 0;
}

static int settle_publish(struct ck_options *o, struct ck_err *err)
{
	static const char *const hows[] = {
		[CK_PUBLISH_AUTO] = "auto",
		[CK_PUBLISH_REPLACE] = "replace",
		[CK_PUBLISH_INPLACE] = "inplace",
	};

	o->how = CK_PUBLISH_AUTO;
	if (!o->publish_text)
		return 0;
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		if (strcmp(o->publish_text, hows[i]) == 0) {
			o->how = (enum ck_publish_how)i;
			return 0;
		}
	}
	return ck_fail(err, CK_USAGE, EINVAL, "-o publish=%s: is none of auto, replace, inplace",
		       o->publish_text);
}

static int settle_create(struct ck_options *o, struct ck_err *err)
{
	o->create = o->create_text;
	if (!o->create || strcmp(o->create_text, "tensorflow") == 0)
		return 0;
	return ck_fail(err, CK_UNSUPPORTED, ENOTSUP, "-o create=%s: this version makes "
		       "checkpoints in the format tensorflow alone", o->create_text);
}

static int settle_editing(struct ck_options *o, struct ck_err *err)
{
	int r;

	/* mount(8) says rw where nobody asked for it. */
	o->edit = o->writable || (o->rw && !o->helper);
	r = o->edit ? refuse_in_rw(o, err) : refuse_in_ro(o, err);
	if (r == 0)
		r = settle_commit(o, err);
	if (r == 0)
		r = settle_publish(o, err);
	if (r == 0)
		r = settle_create(o, err);
	if (r == 0 && ((o->save && !*o->save) || (o->journal && !*o->journal)))
		r = ck_fail(err, CK_USAGE, EINVAL, "-o %s: a value is missing",
			    o->save && !*o->save ? "save=" : "journal=");
	if (r == 0 && o->create && o->save)
		r = ck_fail(err, CK_USAGE, EINVAL, "-o create=, save=: one or the other: what "
			    "create= makes is published under SOURCE");
	if (o->entry_timeout < 0)
		o->entry_timeout = o->edit ? 0 : FOREVER;
	if (o->attr_timeout < 0)
		o->attr_timeout = o->edit ? 0 : FOREVER;
	return r;
}

static int settle(struct ck_options *o, struct ck_err *err)
{
	if (!o->source)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "no SOURCE given: ckptfuse [options] SOURCE [MOUNTPOINT]");
	if (!*o->source)
		return ck_fail(err, CK_USAGE, EINVAL, "SOURCE is empty");
	if (o->mountpoint && !*o->mountpoint)
		return ck_fail(err, CK_USAGE, EINVAL, "MOUNTPOINT is empty");
	if (o->helper && !o->mountpoint)
		return ck_fail(err, CK_USAGE, EINVAL,
			       "no MOUNTPOINT given: mount.ckptfuse SOURCE MOUNTPOINT [-o options]");
	if (o->verify && strcmp(o->verify, "open") != 0 && strcmp(o->verify, "none") != 0)
		return ck_fail(err, CK_USAGE, EINVAL, "-o verify=%s: is neither none nor open",
			       o->verify);
	o->verify_open = o->verify && strcmp(o->verify, "open") == 0;
	if (o->sep_text && (strlen(o->sep_text) != 1 || (unsigned char)o->sep_text[0] >= 0x80))
		return ck_fail(err, CK_USAGE, EINVAL, "-o sep=%s: is not one ASCII character",
			       o->sep_text);
	if (o->sep_text)
		o->sep = o->sep_text[0];
	if (o->umask > 0777)
		return ck_fail(err, CK_USAGE, EINVAL, "-o umask=%llo: is over 777",
			       (unsigned long long)o->umask);
	if (o->max_threads == 0 || o->max_threads > 10000)
		return ck_fail(err, CK_USAGE, EINVAL, "-o max_threads=%lld: is not in 1 ... 10000",
			       (long long)o->max_threads);
	if (o->debug)
		o->foreground = true;
	return settle_editing(o, err);
}

static bool is_helper(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0;

	return name && (strcmp(name, "mount.ckptfuse") == 0 ||
			strcmp(name, "mount.fuse.ckptfuse") == 0);
}

int ck_options_parse(struct ck_options *o, int argc, char **argv, struct ck_err *err)
{
	int r;

	*o = (struct ck_options){
		.helper = is_helper(argc ? argv[0] : NULL),
		.sep = '/',
		.uid = -1,
		.gid = -1,
		.umask = 0,
		.max_threads = -1,
		.entry_timeout = -1,
		.attr_timeout = -1,
	};
	r = take_arguments(o, argc, argv, err);
	if (r < 0 || o->help || o->version)
		return r;
	return settle(o, err);
}

void ck_options_done(struct ck_options *o)
{
	free(o->source);
	free(o->mountpoint);
	free(o->fsname);
	free(o->subdir);
	free(o->notify_pipe);
	free(o->library);
	free(o->verify);
	free(o->sep_text);
	free(o->commit_text);
	free(o->create_text);
	free(o->publish_text);
	free(o->save);
	free(o->journal);
}
