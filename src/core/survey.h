/*
 * survey.h - what lies in a folder, as far as checkpoints are concerned.
 *
 * For messages that say what can be given instead: paths are spelt as the user would type them,
 * and never resolved, since in a cache of symlinks the siblings are found beside the link.
 */
#ifndef CK_CORE_SURVEY_H
#define CK_CORE_SURVEY_H

#include "util/buf.h"

/* Names in natural order. */
struct ck_names {
	char **v;
	size_t n;
	size_t room;
};

struct ck_survey {
	char *folder; /* as given, "" for the current one */
	struct ck_names bundles; /* each NAME.index, without the suffix; can be the empty name */
	struct ck_names files; /* all regular files, those too */
	struct ck_names dirs;
	size_t entries; /* of any kind, dangling symlinks too */
};

/* Lists the folder: 0 or a negative errno. */
int ck_survey(const char *folder, struct ck_survey *ret);
void ck_survey_done(struct ck_survey *s);

/* The folder of a path as it is written, "" where it names none, and the rest. */
char *ck_path_folder(const char *path);
const char *ck_path_base(const char *path);
/* folder/name, spelt without a needless slash; NULL when out of memory. */
char *ck_path_join(const char *folder, const char *name);

/* Bytes of the path before .index, .meta or .data-NNNNN-of-NNNNN, and the .tempstateN behind these
 * while a save goes on; all of it without those. */
size_t ck_path_prefix_len(const char *path);

/* Whether there is a file (not a folder) at PATH + suffix; symlinks are followed. */
bool ck_path_is_file(const char *path, const char *suffix);

/*
 * Appends "F/c, F/b or F/a", the last of the names first and at most a handful of them, "F/c, F/b
 * and 7 more" where there are others. first stands before them all, with its remark, and may be
 * one of them; it is a whole path or NULL. Answers how many there are.
 */
size_t ck_names_list(const struct ck_names *names, const char *folder, const char *first,
		     const char *remark, struct ck_buf *out);

#endif
