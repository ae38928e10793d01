/* stagekit_published.c - see stagekit.h: what is published, and the files it lies in. */
#include "stagekit.h"

#include "core/ckpt.h"
#include "core/read.h"
#include "util/fnv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *target(const struct kit *k)
{
	return k->o.save ? k->o.save : k->prefix;
}

static struct ck_model *model(const char *prefix)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_model *m = NULL;

	if (ck_open_prefix(&ck_vfs_posix, prefix, CK_OPEN_RAW, &m, &err) < 0)
		printf("# %s\n", err.text);
	return m;
}

static void type_of(struct ck_model *m, const struct ck_var *v, struct ck_buf *out)
{
	ck_buf_printf(out, "%s[", ck_dtype_info((enum ck_dtype)v->dtype)->name);
	for (unsigned i = 0; i < v->rank; i++)
		ck_buf_printf(out, "%s%llu", i ? "," : "",
			      (unsigned long long)ck_var_shape(m, v)[i]);
	ck_buf_char(out, ']');
}

bool kit_published(struct kit *k, const char *name, const char *type, const void *p, size_t n)
{
	struct ck_model *m = model(target(k));
	struct ck_buf ck_auto_buf is = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	uint32_t var = m ? ck_model_find(m, ck_span(name, strlen(name))) : CK_NO_VAR;
	uint8_t *got = NULL;
	uint64_t size = 0;
	bool same = false;

	if (var == CK_NO_VAR) {
		printf("# %s: is not there\n", name);
		goto out;
	}
	type_of(m, &m->vars[var], &is);
	if (type && strcmp(type, is.p) != 0) {
		printf("# %s: is %s\n", name, is.p);
		goto out;
	}
	if (ck_var_verify(m, var, &err) < 0 || ck_var_size(m, var, &size, &err) < 0) {
		printf("# %s\n", err.text);
		goto out;
	}
	got = malloc(size + 1);
	if (ck_var_read(m, var, 0, got, size, &err) < 0) {
		printf("# %s\n", err.text);
		goto out;
	}
	same = size == n && (!n || memcmp(got, p, n) == 0);
	if (!same)
		printf("# %s: %llu bytes, others than they should be\n", name,
		       (unsigned long long)size);
out:
	free(got);
	ck_model_unref(m);
	return same;
}

bool kit_published_fill(struct kit *k, const char *name, const char *type, size_t n, uint8_t first)
{
	uint8_t *p = kit_row(n, first);
	bool is = kit_published(k, name, type, p, n);

	free(p);
	return is;
}

bool kit_has(struct kit *k, const char *name)
{
	struct ck_model *m = model(target(k));
	bool is = m && ck_model_find(m, ck_span(name, strlen(name))) != CK_NO_VAR;

	ck_model_unref(m);
	return is;
}

bool kit_sound(struct kit *k, int nvars)
{
	struct ck_model *m = model(target(k));
	bool ok = m != NULL;

	for (uint32_t i = 0; m && i < m->nvars; i++) {
		struct ck_err err = CK_ERR_INIT;

		if (ck_var_verify(m, i, &err) < 0 && err.cls != CK_UNSUPPORTED) {
			printf("# %s\n", err.text);
			ok = false;
		}
	}
	if (m && nvars >= 0 && m->nvars != (uint32_t)nvars) {
		printf("# there are %u variables\n", m->nvars);
		ok = false;
	}
	ck_model_unref(m);
	return ok;
}

uint64_t kit_sum(const char *prefix)
{
	struct ck_model *m = model(prefix);
	uint64_t h = CK_FNV64_INIT;

	for (uint32_t i = 0; m && i < m->nvars; i++) {
		struct ck_span name = ck_var_name(m, &m->vars[i]);
		struct ck_buf ck_auto_buf type = CK_BUF_INIT;
		uint64_t size = 0;
		uint8_t *p;

		type_of(m, &m->vars[i], &type);
		h = ck_fnv64_extend(ck_fnv64_extend(h, name.p, name.n), type.p, type.n);
		if (ck_var_readable(m, i, NULL) < 0 || ck_var_size(m, i, &size, NULL) < 0)
			continue;
		p = malloc(size + 1);
		if (ck_var_read(m, i, 0, p, size, NULL) == 0)
			h = ck_fnv64_extend(h, p, size);
		free(p);
	}
	ck_model_unref(m);
	return h;
}

/* --- files ----------------------------------------------------------------------------------- */

const char *kit_path(struct kit *k, const char *suffix)
{
	static char paths[4][512];
	static unsigned which;
	char *p = paths[which++ % 4];

	snprintf(p, sizeof(paths[0]), "%s%s", k->prefix, suffix);
	return p;
}

bool kit_file(struct kit *k, const char *suffix)
{
	struct stat st;

	return lstat(kit_path(k, suffix), &st) == 0;
}

uint64_t kit_file_size(struct kit *k, const char *suffix)
{
	struct stat st;

	return stat(kit_path(k, suffix), &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
}

static uint64_t each_file(struct kit *k, unsigned *count)
{
	DIR *d = opendir(k->folder);
	uint64_t sum = 0;
	struct dirent *e;
	char path[8192];
	struct stat st;

	*count = 0;
	while (d && (e = readdir(d))) {
		uint64_t h = CK_FNV64_INIT;

		snprintf(path, sizeof(path), "%s/%s", k->folder, e->d_name);
		if (lstat(path, &st) < 0 || S_ISDIR(st.st_mode) ||
		    strstr(e->d_name, ".ckptfuse-lock"))
			continue;
		++*count;
		h = ck_fnv64_extend(h, e->d_name, strlen(e->d_name));
		h = ck_fnv64_extend(h, &st.st_ino, sizeof(st.st_ino));
		h = ck_fnv64_extend(h, &st.st_size, sizeof(st.st_size));
		h = ck_fnv64_extend(h, &st.st_mtim.tv_sec, sizeof(st.st_mtim.tv_sec));
		h = ck_fnv64_extend(h, &st.st_mtim.tv_nsec, sizeof(st.st_mtim.tv_nsec));
		sum += h;
	}
	if (d)
		closedir(d);
	return sum;
}

uint64_t kit_folder_sum(struct kit *k)
{
	unsigned count;

	return each_file(k, &count);
}

unsigned kit_files(struct kit *k)
{
	unsigned count;

	each_file(k, &count);
	return count;
}
