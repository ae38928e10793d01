/*
 * lock.c - one writer at a time: P.ckptfuse-lock.
 *
 * The lock is flock()'s, which ends with the process however that ends; the file's text is for
 * people and for ckptctl, which acts through the mount that it names:
 *
 *   {"pid": N, "holder": "mount point or command", "host": "name"}
 *
 * The file is removed at the end. Who opens it just then locks a file without a name: so after
 * locking it is looked whether the name still leads to it.
 */
#include "saver/stage_private.h"

#include "util/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX 8192
#define TRIES 100

static int refuse(struct ck_stage *s, struct ck_vfile *f, struct ck_err *err)
{
	char text[TEXT_MAX], quoted[CK_QUOTE_ROOM];
	ssize_t n = s->vfs->pread(f, text, sizeof(text) - 1, 0);
	const char *at, *end;

	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\"holder\": \"");
	if (!at)
		return ck_fail(err, CK_BUSY, EBUSY, "%s: somebody else is editing it: wait for "
			       "their end, or open it read-only", s->prefix);
	at += strlen("\"holder\": \"");
	for (end = at; *end && *end != '"'; end++)
		if (*end == '\\' && end[1])
			end++;
	ck_quote(quoted, sizeof(quoted), at, (size_t)(end - at));
	return ck_fail(err, CK_BUSY, EBUSY, "%s: %s (process %ld) is editing it: unmount it first, or "
		       "work there", s->prefix, quoted,
		       strstr(text, "\"pid\": ") ? strtol(strstr(text, "\"pid\": ") + 7, NULL, 10) :
						   0L);
}

static int write_text(struct ck_stage *s, const char *holder)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	char host[256] = "";
	int r;

	gethostname(host, sizeof(host) - 1);
	ck_buf_printf(&text, "{\"pid\": %ld, \"holder\": ", (long)getpid());
	ck_json_bytes(ck_span(holder, strlen(holder)), &text);
	ck_buf_str(&text, ", \"host\": ");
	ck_json_bytes(ck_span(host, strlen(host)), &text);
	ck_buf_str(&text, "}\n");
	if (ck_buf_failed(&text))
		return -ENOMEM;
	r = ck_vfs_truncate(s->lock_file, 0);
	return r < 0 ? r : ck_vfs_write(s->lock_file, 0, text.p, text.n);
}

int ck_lock_take(struct ck_stage *s, const char *holder, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	int r = 0;

	ck_buf_printf(&path, "%s.ckptfuse-lock", s->prefix);
	s->lock_path = ck_buf_failed(&path) ? NULL : strdup(path.p);
	if (!s->lock_path)
		return ck_fail_nomem(err, s->prefix);
	for (int i = 0; i < TRIES; i++) {
		struct ck_vstat is, named;
		struct ck_vfile *f;

		r = ck_vfs_open(s->vfs, s->lock_path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644, &f);
		if (r < 0)
			break;
		r = s->vfs->lock(f);
		if (r == -EWOULDBLOCK) {
			r = refuse(s, f, err);
			ck_vfs_close(f);
			return r;
		}
		if (r == 0)
			r = s->vfs->fstat(f, &is);
		if (r < 0) {
			ck_vfs_close(f);
			break;
		}
		if (s->vfs->stat(s->vfs, s->lock_path, &named) < 0 || named.ino != is.ino) {
			ck_vfs_close(f); /* its holder removed it just now */
			r = -EBUSY;
			continue;
		}
		s->lock_file = f;
		r = write_text(s, holder ? holder : "a program");
		if (r == -ENOSPC || r == -EDQUOT)
			r = 0; /* who is refused does not learn by whom; the lock holds */
		if (r < 0)
			ck_lock_drop(s);
		break;
	}
	if (r == -ENOENT || r == -ENOTDIR)
		return ck_fail(err, CK_MISSING, -r, "%s: the folder that it is to be in is not there: "
			       "make it first", s->prefix);
	if (r < 0)
		return ck_fail(err, CK_BUSY, -r, "%s: cannot be locked for editing: %s%s",
			       path.p, strerror(-r),
			       r == -EACCES || r == -EROFS || r == -EPERM ?
				       ": open it read-only, or publish elsewhere with save=PREFIX" :
				       "");
	return 0;
}

int ck_lock_look(struct ck_stage *s, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_vfile *f;
	int r;

	ck_buf_printf(&path, "%s.ckptfuse-lock", s->prefix);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, s->prefix);
	if (ck_vfs_open(s->vfs, path.p, O_RDONLY | O_NOFOLLOW, 0, &f) < 0)
		return 0;
	r = s->vfs->lock(f) == -EWOULDBLOCK ? refuse(s, f, err) : 0;
	ck_vfs_close(f);
	return r;
}

void ck_lock_drop(struct ck_stage *s)
{
	if (s->lock_file)
		s->vfs->unlink(s->vfs, s->lock_path);
	s->lock_file = ck_vfs_close(s->lock_file);
	free(s->lock_path);
	s->lock_path = NULL;
}
