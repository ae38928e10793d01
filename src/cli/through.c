/* through.c - see through.h. */
#include "cli/through.h"

#include "base/mountinfo.h"
#include "core/ckpt.h"
#include "core/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STATUS_MAX (256u << 20) /* bytes of status.json: a million staged variables fit */
#define LOCK_MAX (64u << 10)
#define LOG_MAX (1u << 20)

/* The whole of a file that is generated as it is read. */
static int read_all(const char *path, size_t most, struct ck_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
	char piece[16384];

	if (fd < 0)
		return -errno;
	while (r == 0) {
		ssize_t n = read(fd, piece, sizeof(piece));

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n == 0)
			break;
		if (n > 0)
			ck_buf_add(out, piece, (size_t)n);
		if (out->n > most)
			r = -EFBIG;
	}
	close(fd);
	return r == 0 && ck_buf_failed(out) ? -ENOMEM : r;
}

static int read_in(const char *folder, const char *name, size_t most, struct ck_buf *out)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;

	ck_buf_printf(&path, "%s/.ckptfuse/%s", folder, name);
	return ck_buf_failed(&path) ? -ENOMEM : read_all(path.p, most, out);
}

static json_t *parse(const struct ck_buf *text)
{
	json_t *j = json_loadb(text->p ? text->p : "", text->n, JSON_ALLOW_NUL, NULL);

	if (j && json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

static const char *text_of(const json_t *object, const char *member)
{
	const char *s = json_string_value(json_object_get(object, member));

	return s ? s : "";
}

static bool is_ours(const char *folder)
{
	char *real = realpath(folder, NULL);
	struct ck_mounted m;
	bool ours = real && ck_mountinfo_find(real, &m);

	if (ours) {
		ours = strcmp(m.type, "fuse.ckptfuse") == 0;
		ck_mounted_done(&m);
	}
	free(real);
	return ours;
}

bool ck_through_look(const char *folder, struct ck_through *ret)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	struct ck_through t = { .since = time(NULL) };
	size_t n = strlen(folder);

	/* The file first: nearly every path that is asked about has none. */
	if (read_in(folder, "status.json", STATUS_MAX, &text) < 0 || !is_ours(folder))
		return false;
	t.status = parse(&text);
	if (!t.status)
		return false;
	while (n > 1 && folder[n - 1] == '/')
		n--;
	t.folder = strndup(folder, n);
	t.source = strdup(text_of(t.status, "source"));
	t.writable = strcmp(text_of(t.status, "mode"), "rw") == 0;
	t.raw_names = json_is_true(json_object_get(t.status, "raw_names"));
	t.part = *text_of(t.status, "subdir");
	t.sep = *text_of(t.status, "sep");
	if (!t.sep)
		t.sep = '/';
	if (!t.folder || !t.source) {
		ck_through_done(&t);
		return false;
	}
	*ret = t;
	return true;
}

void ck_through_done(struct ck_through *t)
{
	free(t->folder);
	free(t->source);
	json_decref(t->status);
	*t = (struct ck_through){ 0 };
}

/* The file that tells prefixes apart: the index where it is there, else where it would be. */
static char *canonical(const char *prefix)
{
	struct ck_buf index = CK_BUF_INIT;
	char *real, *folder;

	ck_buf_printf(&index, "%s.index", prefix);
	real = index.p ? realpath(index.p, NULL) : NULL;
	ck_buf_done(&index);
	if (real)
		return real;
	folder = ck_path_folder(prefix);
	real = folder ? realpath(*folder ? folder : ".", NULL) : NULL;
	free(folder);
	if (!real)
		return NULL;
	ck_buf_printf(&index, "%s/%s.index", real, ck_path_base(prefix));
	free(real);
	return index.p;
}

bool ck_same_checkpoint(const char *a, const char *b)
{
	char *x = canonical(a), *y = canonical(b);
	bool same = x && y && strcmp(x, y) == 0;

	free(x);
	free(y);
	return same;
}

bool ck_through_holder(const char *prefix, struct ck_through *ret)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, text = CK_BUF_INIT;
	struct ck_location at = { 0 };
	const char *holder;
	bool found = false;
	json_t *lock;

	ck_buf_printf(&path, "%s.ckptfuse-lock", prefix);
	if (ck_buf_failed(&path) || read_all(path.p, LOCK_MAX, &text) < 0)
		return false;
	lock = parse(&text);
	holder = text_of(lock, "holder");
	/* A command's name, or another machine's mount, leads nowhere. */
	if (*holder == '/' && ck_through_look(holder, ret)) {
		ck_locate(ret->source, &at, NULL);
		found = ret->writable &&
			ck_same_checkpoint(at.prefix ? at.prefix : ret->source, prefix);
		if (!found)
			ck_through_done(ret);
	}
	ck_location_done(&at);
	json_decref(lock);
	return found;
}

/* Takes the log's count of how often a line came off its end: it is no part of what is wrong. */
static void cut_count(char *line)
{
	char *at = strrchr(line, '(');
	unsigned times;
	int end = 0;

	if (at && at > line && sscanf(at, "(%u times)%n", &times, &end) == 1 && end && !at[end])
		at[-1] = '\0';
}

/* The last line of the mount's log without its time, if it was written since; else NULL. It points
 * into *log. */
static const char *reason(const struct ck_through *t, struct ck_buf *log)
{
	char since[32];
	struct tm tm;
	char *line;

	if (read_in(t->folder, "log", LOG_MAX, log) < 0 || !log->n)
		return NULL;
	log->p[log->n - 1] = '\0';
	line = strrchr(log->p, '\n');
	line = line ? line + 1 : log->p;
	gmtime_r(&t->since, &tm);
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (strncmp(line, since, strlen(since)) < 0)
		return NULL;
	line = strchr(line, ' ');
	if (line)
		cut_count(line);
	return line && line[1] ? line + 1 : NULL;
}

int ck_through_fail(const struct ck_through *t, enum ck_class cls, int errnum, const char *path,
		    const char *what, struct ck_err *err)
{
	struct ck_buf ck_auto_buf log = CK_BUF_INIT;
	const char *words = reason(t, &log);

	if (words)
		return ck_fail(err, cls, errnum, "%s", words);
	return ck_fail(err, cls, errnum, "%s: %s: %s", path, what, strerror(errnum));
}

int ck_through_control(const struct ck_through *t, const char *file, const char *text,
		       struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	bool commit = strcmp(file, "commit") == 0;
	const char *what = commit ? "cannot be published" : "cannot be discarded";
	int fd, errnum = 0;

	ck_buf_printf(&path, "%s/.ckptfuse/%s", t->folder, file);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, t->folder);
	fd = open(path.p, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return ck_through_fail(t, CK_PUBLISH, errno, t->folder, what, err);
	if (write(fd, text, strlen(text)) < 0)
		errnum = errno;
	if (close(fd) < 0 && !errnum)
		errnum = errno;
	if (!errnum)
		return 0;
	return ck_through_fail(t, !commit && errnum == EEXIST ? CK_USAGE : CK_PUBLISH, errnum,
			       t->folder, what, err);
}

json_t *ck_through_status(const struct ck_through *t, struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	int r = read_in(t->folder, "status.json", STATUS_MAX, &text);
	json_t *j = r == 0 ? parse(&text) : NULL;

	if (r < 0)
		ck_fail(err, CK_MISSING, -r, "%s/.ckptfuse/status.json: cannot be read: %s",
			t->folder, strerror(-r));
	else if (!j)
		ck_fail(err, CK_CORRUPT, EIO,
			"%s/.ckptfuse/status.json: no JSON object: is the mount of this version?",
			t->folder);
	return j;
}

static int digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool undo_base64(const char *s, struct ck_buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (; *s && *s != '='; s++) {
		int d = digit(*s);

		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			ck_buf_char(out, (char)(bits >> have & 0xff));
		}
	}
	return true;
}

bool ck_json_name(const json_t *object, const char *member, struct ck_buf *out)
{
	const json_t *name = json_object_get(object, member), *coded;

	if (json_is_string(name)) {
		ck_buf_add(out, json_string_value(name), json_string_length(name));
		return true;
	}
	coded = json_object_get(name, "base64");
	return json_is_string(coded) && undo_base64(json_string_value(coded), out);
}
