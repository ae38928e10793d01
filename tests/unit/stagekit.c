/* stagekit.c - see stagekit.h. */
#include "stagekit.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "stagekit: %s: %s\n", what, strerror(errno));
	abort();
}

static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	FILE *in = fopen(from, "r"), *out = in ? fopen(to, "w") : NULL;
	size_t n;

	if (!out)
		die(from);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, out);
	if (fclose(out) != 0)
		die(to);
	fclose(in);
}

void kit_init(struct kit *k, const char *data, const char *name)
{
	const char *src = getenv("SRCDIR"), *tmp = getenv("TMPDIR");
	char folder[4096], from[8192], to[8192];
	struct dirent *e;
	DIR *d;

	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(k, 0, sizeof(*k));
	snprintf(k->folder, sizeof(k->folder), "%s/stage-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(k->folder))
		die(k->folder);
	snprintf(k->prefix, sizeof(k->prefix), "%s/m", k->folder);
	k->o = (struct ck_stage_options){
		.vfs = &ck_vfs_posix,
		.prefix = k->prefix,
		.tree = { .sep = '/' },
		.holder = "a test",
		.uid = 1,
		.gid = 2,
		.file_mode = 0644,
		.dir_mode = 0755,
		.create = !data,
	};
	if (!data)
		return;
	snprintf(folder, sizeof(folder), "%s/tests/data/%s", src ? src : ".", data);
	d = opendir(folder);
	if (!d)
		die(folder);
	while ((e = readdir(d))) {
		size_t n = strlen(name);

		if (strncmp(e->d_name, name, n) != 0 || e->d_name[n] != '.')
			continue;
		snprintf(from, sizeof(from), "%s/%s", folder, e->d_name);
		snprintf(to, sizeof(to), "%s%s", k->prefix, e->d_name + n);
		copy_file(from, to);
	}
	closedir(d);
}

int kit_open(struct kit *k)
{
	k->err = (struct ck_err)CK_ERR_INIT;
	return ck_stage_open(&k->o, &k->s, &k->err);
}

int kit_close(struct kit *k)
{
	int r;

	k->err = (struct ck_err)CK_ERR_INIT;
	r = ck_stage_close(k->s, &k->err);
	k->s = NULL;
	return r;
}

int kit_reopen(struct kit *k)
{
	int r = kit_close(k);

	return r < 0 ? r : kit_open(k);
}

void kit_begin(struct kit *k, const char *data, const char *name)
{
	kit_init(k, data, name);
	if (kit_open(k) < 0)
		die(k->err.text);
}

static void remove_all(const char *folder)
{
	DIR *d = opendir(folder);
	char path[8192];
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			remove_all(path);
		else
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(folder);
}

void kit_done(struct kit *k)
{
	kit_close(k);
	remove_all(k->folder);
}

const char *kit_why(const struct kit *k)
{
	return k->err.text;
}

/* --- by path --------------------------------------------------------------------------------- */

static void forget(struct kit *k, uint64_t ino)
{
	if (!k->keep && ino != CK_STAGE_ROOT)
		ck_stage_forget(k->s, ino, 1);
}

/* The folder of a path, which stays looked up, and the last component. */
static int parent(struct kit *k, const char *path, uint64_t *dir, const char **name)
{
	char part[4096];
	struct stat st;

	k->err = (struct ck_err)CK_ERR_INIT;
	*dir = CK_STAGE_ROOT;
	for (;;) {
		const char *slash = strchr(path, '/');
		int r;

		if (!slash)
			break;
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		r = ck_stage_lookup(k->s, *dir, part, &st, &k->err);
		forget(k, *dir);
		if (r < 0)
			return r;
		if (!S_ISDIR(st.st_mode)) {
			forget(k, st.st_ino);
			return -ENOTDIR;
		}
		*dir = st.st_ino;
		path = slash + 1;
	}
	*name = path;
	return 0;
}

/* The file or folder; it stays looked up. */
static int find(struct kit *k, const char *path, struct stat *st)
{
	const char *name;
	uint64_t dir;
	int r;

	if (!*path)
		return ck_stage_getattr(k->s, CK_STAGE_ROOT, st, &k->err);
	r = parent(k, path, &dir, &name);
	if (r < 0)
		return r;
	r = ck_stage_lookup(k->s, dir, name, st, &k->err);
	forget(k, dir);
	return r;
}

int kit_find(struct kit *k, const char *path, struct stat *ret)
{
	int r = find(k, path, ret);

	if (r == 0)
		forget(k, ret->st_ino);
	return r;
}

bool kit_there(struct kit *k, const char *path)
{
	struct stat st;

	return kit_find(k, path, &st) == 0;
}

uint64_t kit_size(struct kit *k, const char *path)
{
	struct stat st;

	return kit_find(k, path, &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
}

int kit_fopen(struct kit *k, const char *path, int flags, struct ck_sfile **ret)
{
	const char *name;
	struct stat st;
	uint64_t dir;
	int r;

	if (flags & O_CREAT) {
		r = parent(k, path, &dir, &name);
		if (r < 0)
			return r;
		r = ck_stage_create(k->s, dir, name, flags & ~O_CREAT, 0644, ret, &st, &k->err);
		forget(k, dir);
	} else {
		r = find(k, path, &st);
		if (r < 0)
			return r;
		r = ck_stage_file_open(k->s, st.st_ino, flags, ret, &k->err);
	}
	if (r == 0 || !(flags & O_CREAT))
		forget(k, st.st_ino);
	return r;
}

int kit_fclose(struct kit *k, struct ck_sfile *f)
{
	int r = ck_stage_file_flush(f, &k->err);

	ck_stage_file_release(f);
	return r;
}

int kit_fwrite(struct kit *k, struct ck_sfile *f, uint64_t off, const void *p, size_t n)
{
	ssize_t r;

	k->err = (struct ck_err)CK_ERR_INIT;
	r = ck_stage_file_write(f, p, n, off, &k->err);
	return r < 0 ? (int)r : (size_t)r == n ? 0 : -EIO;
}

int kit_fread(struct kit *k, struct ck_sfile *f, struct ck_buf *out)
{
	char buf[10000]; /* no power of two, so that pieces begin anywhere */
	uint64_t off = 0;
	ssize_t n;

	ck_buf_clear(out);
	while ((n = ck_stage_file_read(f, buf, sizeof(buf), off, &k->err)) > 0) {
		ck_buf_add(out, buf, (size_t)n);
		off += (uint64_t)n;
	}
	return (int)n;
}

int kit_put(struct kit *k, const char *path, const void *p, size_t n)
{
	struct ck_sfile *f;
	int r = kit_fopen(k, path, O_CREAT | O_TRUNC | O_WRONLY, &f), c;

	if (r < 0)
		return r;
	if (n)
		r = kit_fwrite(k, f, 0, p, n);
	c = kit_fclose(k, f);
	return r < 0 ? r : c;
}

int kit_text(struct kit *k, const char *path, const char *text)
{
	return kit_put(k, path, text, strlen(text));
}

int kit_pwrite(struct kit *k, const char *path, uint64_t off, const void *p, size_t n)
{
	struct ck_sfile *f;
	int r = kit_fopen(k, path, O_WRONLY, &f), c;

	if (r < 0)
		return r;
	r = kit_fwrite(k, f, off, p, n);
	c = kit_fclose(k, f);
	return r < 0 ? r : c;
}

uint8_t *kit_row(size_t n, uint8_t first)
{
	uint8_t *p = malloc(n + 1);

	if (!p)
		die("memory");
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(first + i);
	return p;
}

int kit_fill(struct kit *k, const char *path, size_t n, uint8_t first)
{
	uint8_t *p = kit_row(n, first);
	int r = kit_put(k, path, p, n);

	free(p);
	return r;
}

int kit_cat(struct kit *k, const char *path, struct ck_buf *out)
{
	struct ck_sfile *f;
	int r = kit_fopen(k, path, O_RDONLY, &f);

	if (r < 0)
		return r;
	r = kit_fread(k, f, out);
	kit_fclose(k, f);
	return r;
}

bool kit_is(struct kit *k, const char *path, const void *p, size_t n)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;

	return kit_cat(k, path, &b) == 0 && b.n == n && (!n || memcmp(b.p, p, n) == 0) &&
	       kit_size(k, path) == n;
}

bool kit_is_fill(struct kit *k, const char *path, size_t n, uint8_t first)
{
	uint8_t *p = kit_row(n, first);
	bool is = kit_is(k, path, p, n);

	free(p);
	return is;
}

int kit_truncate(struct kit *k, const char *path, uint64_t size)
{
	struct stat st;
	int r = find(k, path, &st);

	if (r == 0) {
		r = ck_stage_truncate(k->s, st.st_ino, size, &k->err);
		forget(k, st.st_ino);
	}
	return r;
}

int kit_mkdir(struct kit *k, const char *path)
{
	const char *name;
	struct stat st;
	uint64_t dir;
	int r = parent(k, path, &dir, &name);

	if (r < 0)
		return r;
	r = ck_stage_mkdir(k->s, dir, name, 0755, &st, &k->err);
	if (r == 0)
		forget(k, st.st_ino);
	forget(k, dir);
	return r;
}

static int at_name(struct kit *k, const char *path,
		   int (*fn)(struct ck_stage *, uint64_t, const char *, struct ck_err *))
{
	const char *name;
	uint64_t dir;
	int r = parent(k, path, &dir, &name);

	if (r == 0) {
		r = fn(k->s, dir, name, &k->err);
		forget(k, dir);
	}
	return r;
}

int kit_rmdir(struct kit *k, const char *path)
{
	return at_name(k, path, ck_stage_rmdir);
}

int kit_rm(struct kit *k, const char *path)
{
	return at_name(k, path, ck_stage_unlink);
}

int kit_rm_r(struct kit *k, const char *path)
{
	struct ck_stage_names names;
	char sub[4096];
	struct stat st;
	int r = kit_find(k, path, &st);

	if (r < 0 || !S_ISDIR(st.st_mode))
		return r < 0 ? r : kit_rm(k, path);
	r = ck_stage_list(k->s, st.st_ino, &names, &k->err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, names.v[i].name);
		r = names.v[i].type == S_IFDIR ? kit_rm_r(k, sub) : kit_rm(k, sub);
		if (r == -ENOENT) /* rm -f */
			r = 0;
	}
	ck_stage_names_done(&names);
	return r < 0 ? r : kit_rmdir(k, path);
}

int kit_mv(struct kit *k, const char *from, const char *to, unsigned flags)
{
	const char *name, *target;
	uint64_t dir, to_dir;
	int r = parent(k, from, &dir, &name);

	if (r == 0)
		r = parent(k, to, &to_dir, &target);
	if (r < 0)
		return r;
	r = ck_stage_rename(k->s, dir, name, to_dir, target, flags, &k->err);
	forget(k, dir);
	forget(k, to_dir);
	return r;
}

int kit_setxattr(struct kit *k, const char *path, const char *name, const char *value)
{
	struct stat st;
	int r = find(k, path, &st);

	if (r == 0) {
		r = ck_stage_setxattr(k->s, st.st_ino, name, value, strlen(value), 0, &k->err);
		forget(k, st.st_ino);
	}
	return r;
}

void kit_ls(struct kit *k, const char *path, struct ck_buf *out)
{
	struct ck_stage_names names;
	struct stat st;

	ck_buf_clear(out);
	ck_buf_str(out, "");
	if (kit_find(k, path, &st) < 0 || ck_stage_list(k->s, st.st_ino, &names, &k->err) < 0) {
		ck_buf_str(out, "(not there)");
		return;
	}
	for (size_t i = 0; i < names.n; i++)
		ck_buf_printf(out, "%s%s%s", i ? " " : "", names.v[i].name,
			      names.v[i].type == S_IFDIR ? "/" : "");
	ck_stage_names_done(&names);
}

bool kit_ls_is(struct kit *k, const char *path, const char *want)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	bool same;

	kit_ls(k, path, &b);
	same = strcmp(b.p ? b.p : "", want) == 0;
	if (!same)
		printf("# in %s: %s\n", path, b.p ? b.p : "");
	return same;
}

const char *kit_member(struct kit *k, const char *path, const char *member)
{
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	static char text[4096];
	json_t *o, *v;
	char *dump;

	text[0] = '\0';
	if (kit_cat(k, path, &b) < 0)
		return "(no file)";
	o = json_loadb(b.p ? b.p : "", b.n, JSON_ALLOW_NUL, NULL);
	v = json_object_get(o, member);
	if (json_is_string(v)) {
		snprintf(text, sizeof(text), "%s", json_string_value(v));
	} else if (v) {
		dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		snprintf(text, sizeof(text), "%s", dump);
		free(dump);
	}
	json_decref(o);
	return text;
}

int kit_publish(struct kit *k)
{
	k->err = (struct ck_err)CK_ERR_INIT;
	return ck_stage_publish(k->s, CK_PUBLISH_EXPLICIT, &k->report, &k->err);
}

int kit_discard(struct kit *k, const char *path)
{
	k->err = (struct ck_err)CK_ERR_INIT;
	return ck_stage_discard(k->s, path, &k->err);
}
