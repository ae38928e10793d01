/* survey.c - see survey.h. */
#include "core/survey.h"

#include "util/natural.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LIST_MAX 5 /* paths in one message ... */
#define LIST_BYTES 500 /* ... or fewer, where they are long */

static bool names_add(struct ck_names *names, const char *name, size_t n)
{
	if (names->n == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		char **p = reallocarray(names->v, room, sizeof(*p));

		if (!p)
			return false;
		names->v = p;
		names->room = room;
	}
	names->v[names->n] = strndup(name, n);
	return names->v[names->n++] != NULL;
}

static void names_done(struct ck_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct ck_names){ 0 };
}

static int by_nature(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return ck_natural_cmp(ck_span(x, strlen(x)), ck_span(y, strlen(y)));
}

static void names_sort(struct ck_names *names)
{
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_nature);
}

static bool note(struct ck_survey *s, int dirfd, const struct dirent *d)
{
	unsigned char type = d->d_type;
	size_t n = strlen(d->d_name);
	struct stat st;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return true;
	s->entries++;
	if (type != DT_REG && type != DT_DIR) {
		if ((type != DT_LNK && type != DT_UNKNOWN) || fstatat(dirfd, d->d_name, &st, 0) < 0)
			return true;
		type = S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_UNKNOWN;
	}
	if (type == DT_DIR)
		return names_add(&s->dirs, d->d_name, n);
	if (type != DT_REG)
		return true;
	if (n >= 6 && strcmp(d->d_name + n - 6, ".index") == 0 &&
	    !names_add(&s->bundles, d->d_name, n - 6))
		return false;
	return names_add(&s->files, d->d_name, n);
}

int ck_survey(const char *folder, struct ck_survey *ret)
{
	struct ck_survey s = { .folder = strdup(folder) };
	DIR *dir = opendir(*folder ? folder : ".");
	const struct dirent *d;
	int r = 0;

	if (!dir) {
		r = -errno;
		goto out;
	}
	if (!s.folder)
		r = -ENOMEM;
	while (r == 0) {
		errno = 0;
		d = readdir(dir);
		if (!d) {
			r = -errno;
			break;
		}
		if (!note(&s, dirfd(dir), d))
			r = -ENOMEM;
	}
	closedir(dir);
out:
	if (r < 0) {
		ck_survey_done(&s);
		return r;
	}
	names_sort(&s.bundles);
	names_sort(&s.files);
	names_sort(&s.dirs);
	*ret = s;
	return 0;
}

void ck_survey_done(struct ck_survey *s)
{
	free(s->folder);
	s->folder = NULL;
	names_done(&s->bundles);
	names_done(&s->files);
	names_done(&s->dirs);
}

const char *ck_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *ck_path_folder(const char *path)
{
	size_t n = (size_t)(ck_path_base(path) - path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return strndup(path, n);
}

char *ck_path_join(const char *folder, const char *name)
{
	struct ck_buf b = CK_BUF_INIT;
	size_t n = strlen(folder);

	ck_buf_printf(&b, "%s%s%s", folder, n && folder[n - 1] != '/' ? "/" : "", name);
	if (ck_buf_failed(&b))
		ck_buf_done(&b);
	return b.p;
}

/* Steps back over the digits that end at *end, of which there have to be some. */
static bool digits_before(const char *path, size_t *end, size_t least)
{
	size_t n = *end;

	while (n && path[n - 1] >= '0' && path[n - 1] <= '9')
		n--;
	if (*end - n < least)
		return false;
	*end = n;
	return true;
}

static bool text_before(const char *path, size_t *end, const char *text)
{
	size_t n = strlen(text);

	if (*end < n || memcmp(path + *end - n, text, n) != 0)
		return false;
	*end -= n;
	return true;
}

size_t ck_path_prefix_len(const char *path)
{
	size_t all = strlen(path), n = all, end = all;

	if (digits_before(path, &end, 1) && text_before(path, &end, ".tempstate"))
		n = end;
	if (text_before(path, &n, ".index") || text_before(path, &n, ".meta"))
		return n;
	if (digits_before(path, &n, 5) && text_before(path, &n, "-of-") &&
	    digits_before(path, &n, 5) && text_before(path, &n, ".data-"))
		return n;
	return all;
}

bool ck_path_is_file(const char *path, const char *suffix)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	struct stat st;

	ck_buf_printf(&b, "%s%s", path, suffix);
	return !ck_buf_failed(&b) && stat(b.p, &st) == 0 && !S_ISDIR(st.st_mode);
}

size_t ck_names_list(const struct ck_names *names, const char *folder, const char *first,
		     const char *remark, struct ck_buf *out)
{
	size_t start = out->n, total = names->n, told = 0;
	bool first_is_named = false;

	for (size_t i = 0; first && i < names->n && !first_is_named; i++) {
		char *path = ck_path_join(folder, names->v[i]);

		first_is_named = path && strcmp(path, first) == 0;
		free(path);
	}
	if (first && !first_is_named)
		total++;
	if (first) {
		ck_buf_printf(out, "%s%s", first, remark);
		told++;
	}
	for (size_t i = names->n; i-- > 0 && told < total;) {
		char *path = ck_path_join(folder, names->v[i]);

		if (path && first && strcmp(path, first) == 0) {
			free(path);
			continue;
		}
		if (told == LIST_MAX || (told && out->n - start > LIST_BYTES)) {
			free(path);
			break;
		}
		if (told)
			ck_buf_str(out, told + 1 == total ? " or " : ", ");
		ck_buf_str(out, path ? path : names->v[i]);
		free(path);
		told++;
	}
	if (told < total)
		ck_buf_printf(out, " and %zu more", total - told);
	return total;
}
