/*
 * locate.c - from whatever path a user has to the bundle's prefix (ck_locate of ckpt.h).
 *
 * Nothing is guessed: a folder in which several checkpoints lie, or could come to lie, is refused
 * with the paths that can be given in its place. All siblings are found by the path as given.
 */
#include "core/ckpt.h"

#include "core/missing.h"
#include "core/sniff.h"
#include "core/statefile.h"
#include "core/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPECTED "a TensorFlow V2 checkpoint (PREFIX.index and PREFIX.data-*) was expected"
#define READS "this version reads TensorFlow V2 checkpoints"

/* How many of a folder's files, and folders, are looked into for what kind of folder it may be. */
#define LOOKED_INTO_MAX 50

static const char *const saved_model_names[] = {
	"saved_model.pb",
	"saved_model.pbtxt",
	"saved_model.cpb",
};

#define N_SAVED_MODEL_NAMES (sizeof(saved_model_names) / sizeof(saved_model_names[0]))

static int found(const char *prefix, size_t len, const char *folder, struct ck_location *ret,
		 struct ck_err *err)
{
	struct ck_location l = {
		.prefix = strndup(prefix, len),
		.folder = folder ? strdup(folder) : NULL,
	};

	if (!l.prefix || (folder && !l.folder)) {
		ck_location_done(&l);
		return ck_fail_nomem(err, prefix);
	}
	*ret = l;
	return 0;
}

void ck_location_done(struct ck_location *l)
{
	free(l->prefix);
	free(l->folder);
	*l = (struct ck_location){ 0 };
}

static bool is_file_in(const char *folder, const char *name)
{
	char *path = ck_path_join(folder, name);
	bool is = path && ck_path_is_file(path, "");

	free(path);
	return is;
}

static bool is_saved_model(const char *folder)
{
	for (size_t i = 0; i < N_SAVED_MODEL_NAMES; i++) {
		if (is_file_in(folder, saved_model_names[i]))
			return true;
	}
	return false;
}

static int locate_saved_model(const char *folder, struct ck_location *ret, struct ck_err *err)
{
	char *prefix = ck_path_join(folder, "variables/variables");
	int r;

	if (!prefix)
		return ck_fail_nomem(err, folder);
	if (ck_path_is_file(prefix, ".index"))
		r = found(prefix, strlen(prefix), folder, ret, err);
	else if (ck_missing_index(prefix, err) < 0)
		r = -ENOENT;
	else
		r = ck_fail(err, CK_MISSING, ENOENT,
			    "%s: a SavedModel without variables: there is no %s.index",
			    *folder ? folder : ".", prefix);
	free(prefix);
	return r;
}

static int refuse_error(const char *path, int errnum, struct ck_err *err)
{
	if (errnum == ENOTCONN || errnum == ECONNABORTED)
		return ck_fail(err, CK_MISSING, errnum,
			       "%s: lies in a mount whose daemon has died: run ckptctl umount on "
			       "the mount point",
			       path);
	return ck_fail(err, CK_MISSING, errnum, "%s: cannot be examined: %s", path,
		       strerror(errnum));
}

/* A regular file that is judged by its content alone. */
static int refuse_file(const char *path, struct ck_err *err)
{
	char words[CK_SNIFF_ROOM];
	struct ck_source *s = NULL;
	enum ck_class cls;
	int r = ck_source_open(path, &s, err);

	if (r < 0)
		return r;
	cls = ck_sniff(s, words, sizeof(words));
	ck_source_unref(s);
	if (cls == CK_OK)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
			       "%s: %s under another name: call it PREFIX.index, beside its "
			       "PREFIX.data-* files",
			       path, words);
	if (cls == CK_UNSUPPORTED)
		return ck_fail(err, cls, EOPNOTSUPP, "%s: %s: " READS, path, words);
	return ck_fail(err, cls, EINVAL, "%s: %s: " EXPECTED, path, words);
}

/* The checkpoint that the state file names, where it is now; NULL where it is nowhere. *named is
 * what the file says. */
static char *latest(const char *statefile, char **named)
{
	char *folder = ck_path_folder(statefile), *path = NULL;

	*named = NULL;
	if (!folder || ck_statefile_latest(statefile, named, NULL) < 0)
		goto out;
	path = **named == '/' ? strdup(*named) : ck_path_join(folder, *named);
	if (path && !ck_path_is_file(path, ".index")) {
		free(path);
		path = ck_path_join(folder, ck_path_base(*named));
		if (path && !ck_path_is_file(path, ".index")) {
			free(path);
			path = NULL;
		}
	}
out:
	free(folder);
	return path;
}

/* The first of the folder's files that is a checkpoint of another kind; NULL where none is. */
static const char *foreign_kind(const struct ck_survey *s, char *words)
{
	for (size_t i = 0; i < s->files.n && i < LOOKED_INTO_MAX; i++) {
		char *path = ck_path_join(s->folder, s->files.v[i]);
		struct ck_source *file = NULL;
		bool hit = path && ck_source_open(path, &file, NULL) == 0 &&
			   ck_sniff(file, words, CK_SNIFF_ROOM) == CK_UNSUPPORTED;

		ck_source_unref(file);
		free(path);
		if (hit)
			return s->files.v[i];
	}
	return NULL;
}

/* A folder with bundles, or with a state file that names one: *first, if it is there. */
static int refuse_model_folder(const struct ck_survey *s, const char *named, const char *first,
			       struct ck_err *err)
{
	struct ck_buf ck_auto_buf list = CK_BUF_INIT;
	char words[CK_SNIFF_ROOM];
	const char *other;
	size_t n = ck_names_list(&s->bundles, s->folder, first,
				 s->bundles.n > 1 ? " (the latest)" : "", &list);

	if (ck_buf_failed(&list))
		return ck_fail_nomem(err, s->folder);
	if (n == 1)
		return ck_fail(err, CK_UNSUPPORTED, EISDIR,
			       "%s: a folder that holds one checkpoint: give %s", s->folder,
			       list.p);
	if (n)
		return ck_fail(err, CK_UNSUPPORTED, EISDIR,
			       "%s: a folder of %zu checkpoints, of which one is opened at a "
			       "time: give %s",
			       s->folder, n, list.p);
	other = foreign_kind(s, words);
	if (other)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP, "%s: a folder with %s, %s: " READS,
			       s->folder, other, words);
	return ck_fail(err, CK_MISSING, ENOENT,
		       "%s: a model folder without a checkpoint: its state file names %s, which "
		       "is not there",
		       s->folder, named);
}

/* Whether a path into the folder could be given. */
static bool holds_checkpoint(const char *folder, bool *saved_model)
{
	struct ck_survey s;
	bool does;

	*saved_model = is_saved_model(folder);
	if (*saved_model || is_file_in(folder, "checkpoint"))
		return true;
	if (ck_survey(folder, &s) < 0)
		return false;
	does = s.bundles.n > 0;
	ck_survey_done(&s);
	return does;
}

/* A folder that holds nothing that is opened: perhaps its folders do. */
static int refuse_folder(const struct ck_survey *s, struct ck_err *err)
{
	struct ck_names in = { .v = calloc(s->dirs.n + 1, sizeof(*in.v)) };
	struct ck_buf ck_auto_buf list = CK_BUF_INIT;
	char words[CK_SNIFF_ROOM];
	bool saved_models = true;
	const char *other;

	if (!in.v)
		return ck_fail_nomem(err, s->folder);
	for (size_t i = 0; i < s->dirs.n && i < LOOKED_INTO_MAX; i++) {
		char *sub = ck_path_join(s->folder, s->dirs.v[i]);
		bool saved_model;

		if (sub && holds_checkpoint(sub, &saved_model)) {
			in.v[in.n++] = s->dirs.v[i];
			saved_models &= saved_model;
		}
		free(sub);
	}
	ck_names_list(&in, s->folder, NULL, "", &list);
	free(in.v);
	if (ck_buf_failed(&list))
		return ck_fail_nomem(err, s->folder);
	if (in.n && !saved_models)
		return ck_fail(err, CK_UNSUPPORTED, EISDIR,
			       "%s: a folder without a checkpoint of its own: give one in %s",
			       s->folder, list.p);
	if (in.n == 1)
		return ck_fail(err, CK_UNSUPPORTED, EISDIR,
			       "%s: a folder that holds one SavedModel: give %s", s->folder,
			       list.p);
	if (in.n)
		return ck_fail(err, CK_UNSUPPORTED, EISDIR,
			       "%s: a folder of %zu SavedModels, of which one is opened at a time: "
			       "give %s",
			       s->folder, in.n, list.p);
	other = foreign_kind(s, words);
	if (other)
		return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP, "%s: a folder with %s, %s: " READS,
			       s->folder, other, words);
	return ck_fail(err, CK_FOREIGN, EISDIR, "%s: %s: " EXPECTED, s->folder,
		       s->entries ? "a folder without a checkpoint" : "an empty folder");
}

static int survey_folder(const char *folder, struct ck_err *err)
{
	char *statefile, *named = NULL, *first = NULL;
	struct ck_survey s;
	int r = ck_survey(folder, &s);

	if (r < 0)
		return refuse_error(folder, -r, err);
	statefile = ck_path_join(folder, "checkpoint");
	if (statefile)
		first = latest(statefile, &named);
	if (s.bundles.n || named)
		r = refuse_model_folder(&s, named, first, err);
	else
		r = ck_missing_index_in(&s, err);
	if (r == 0)
		r = refuse_folder(&s, err);
	free(statefile);
	free(named);
	free(first);
	ck_survey_done(&s);
	return r;
}

/* The folder may be one of our own mounts. It is opened, not examined, since the kernel goes on to
 * answer for the attributes of files whose daemon has died. */
static int refuse_mount(const char *folder, struct ck_err *err)
{
	char *path = ck_path_join(folder, ".ckptfuse/checkpoint.json");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1, errnum = errno;

	free(path);
	if (fd < 0)
		return errnum == ENOTCONN || errnum == ECONNABORTED
			       ? refuse_error(folder, errnum, err)
			       : 0;
	close(fd);
	return ck_fail(err, CK_UNSUPPORTED, EISDIR,
		       "%s: a mounted checkpoint: look into the folder itself, or give what is "
		       "mounted there (.ckptfuse/checkpoint.json names it)",
		       folder);
}

static int locate_folder(const char *source, struct ck_location *ret, struct ck_err *err)
{
	size_t n = strlen(source);
	char *folder;
	int r;

	while (n > 1 && source[n - 1] == '/')
		n--;
	folder = strndup(source, n);
	if (!folder)
		return ck_fail_nomem(err, source);
	r = refuse_mount(folder, err);
	if (r == 0 && is_saved_model(folder))
		r = locate_saved_model(folder, ret, err);
	else if (r == 0)
		r = survey_folder(folder, err);
	free(folder);
	return r;
}

/* A file by whose name a bundle is found, or would be, were its index there. */
static int locate_part(const char *source, size_t prefix_len, struct ck_location *ret,
		       struct ck_err *err)
{
	char *prefix = strndup(source, prefix_len);
	int r;

	if (!prefix)
		return ck_fail_nomem(err, source);
	if (!ck_path_is_file(prefix, ".index")) {
		r = ck_missing_index(prefix, err);
		if (r == 0) /* its neighbours have changed meanwhile */
			r = refuse_file(source, err);
	} else if (strstr(source + prefix_len, ".tempstate")) {
		r = ck_fail(err, CK_FOREIGN, EINVAL,
			    "%s: left by a save that never finished: give %s", source, prefix);
	} else {
		r = found(prefix, prefix_len, NULL, ret, err);
	}
	free(prefix);
	return r;
}

static int locate_file(const char *source, struct ck_location *ret, struct ck_err *err)
{
	const char *base = ck_path_base(source);
	size_t n = ck_path_prefix_len(source);
	char *folder, *named = NULL;
	int r = 1;

	if (source[n])
		return locate_part(source, n, ret, err);
	folder = ck_path_folder(source);
	if (!folder)
		return ck_fail_nomem(err, source);
	for (size_t i = 0; i < N_SAVED_MODEL_NAMES && r > 0; i++) {
		if (strcmp(base, saved_model_names[i]) == 0)
			r = locate_saved_model(folder, ret, err);
	}
	if (r > 0 && ck_statefile_latest(source, &named, NULL) == 0)
		r = survey_folder(*folder ? folder : ".", err);
	if (r > 0 && is_saved_model(folder))
		r = ck_fail(err, CK_FOREIGN, EINVAL, "%s: a file of a SavedModel: give %s", source,
			    *folder ? folder : ".");
	if (r > 0)
		r = refuse_file(source, err);
	free(folder);
	free(named);
	return r;
}

int ck_locate(const char *source, struct ck_location *ret, struct ck_err *err)
{
	struct stat st;

	if (!*source)
		return ck_fail(err, CK_MISSING, ENOENT,
			       "the source is an empty path: give a checkpoint, such as "
			       "model.ckpt-100");
	/* Before all else, so that a bundle wins over a folder of its name. */
	if (ck_path_is_file(source, ".index"))
		return found(source, strlen(source), NULL, ret, err);
	if (stat(source, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
			return ck_missing(source, err);
		return refuse_error(source, errno, err);
	}
	if (S_ISDIR(st.st_mode))
		return locate_folder(source, ret, err);
	if (S_ISREG(st.st_mode))
		return locate_file(source, ret, err);
	return ck_fail(err, CK_FOREIGN, EINVAL, "%s: a device, pipe or socket: " EXPECTED, source);
}
