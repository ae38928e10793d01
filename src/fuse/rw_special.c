/* rw_special.c - see rw_special.h. */
#include "fuse/rw_special.h"

#include "base/log.h"
#include "fuse/listing.h"
#include "fuse/status.h"
#include "util/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE 65536 /* bytes of a text that is only measured which are held at once */

/* A text that is rendered, or of which only the length is wanted. */
struct text {
	struct ck_buf *out; /* holds nothing of use when measured */
	uint64_t n; /* bytes that were thrown away */
	bool measure;
	uint64_t count, bytes; /* of checkpoint.json's variables */
};

static int add_row(void *arg, const struct ck_stage_var *v)
{
	struct text *t = arg;
	struct ck_buf *b = t->out;

	if (v->unfinished || !v->meta)
		return 0;
	if (!ck_add_u64(t->bytes, v->nbytes, &t->bytes))
		t->bytes = UINT64_MAX;
	ck_buf_str(b, t->count++ ? ",\n    {\"name\": " : "    {\"name\": ");
	ck_json_bytes(v->name, b);
	ck_buf_printf(b, ", \"dtype\": \"%s\", \"shape\": ", ck_dtype_info(v->meta->dtype)->name);
	ck_json_numbers(v->meta->shape, v->meta->rank, b);
	ck_buf_char(b, '}');
	if (t->measure && b->n > PIECE) {
		t->n += b->n;
		ck_buf_clear(b);
	}
	return 0;
}

/* Its head says how many variables there are and how large, so the rows are made first. */
static void render_checkpoint(struct ck_mount *m, struct text *t)
{
	ck_auto_buf struct ck_buf rows = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	struct ck_buf *out = t->out;
	int r;

	t->out = &rows;
	r = ck_stage_each(m->rw->stage, add_row, t, &err);
	t->out = out;
	ck_listing_head(m->cwd, ck_stage_model(m->rw->stage), t->count, t->bytes, out);
	if (rows.n)
		ck_buf_add(out, rows.p, rows.n);
	ck_buf_str(out, t->count ? "\n" CK_LISTING_TAIL : CK_LISTING_TAIL);
	if (r < 0 || ck_buf_failed(&rows))
		out->failed = true;
	if (err.cls != CK_OK)
		ck_log("%s", err.text);
}

static void render_status(struct ck_mount *m, struct text *t)
{
	struct ck_status s = {
		.mode = "rw",
		.model = ck_stage_model(m->rw->stage),
		.opened = m->rw->opened,
	};

	ck_stage_totals(m->rw->stage, &s.variables, &s.bytes);
	ck_status_begin(m, &s, t->out);
	ck_stage_status(m->rw->stage, t->out);
	if (t->out->n && t->out->p[t->out->n - 1] != '\n')
		ck_buf_char(t->out, '\n');
	ck_buf_str(t->out, "}\n");
}

static void render_log(struct ck_mount *m, struct text *t)
{
	(void)m;
	ck_log_copy(t->out);
}

/* "umount" is what ckptctl umount writes: what this mount has staged is published, with
 * commit=manual as well, since somebody asked; edits that were only recovered wait further. */
static void take_commit(fuse_req_t req, const char *text, size_t written)
{
	size_t n;
	bool umount;

	text += strspn(text, " \t\n");
	for (n = strlen(text); n && isspace((unsigned char)text[n - 1]); n--)
		;
	umount = n == 6 && memcmp(text, "umount", 6) == 0;
	ck_publisher_publish(&ck_rw_of(req)->publisher, req, written,
			     umount ? 0 : CK_PUBLISH_EXPLICIT);
}

static void take_discard(fuse_req_t req, const char *text, size_t written)
{
	ck_publisher_discard(&ck_rw_of(req)->publisher, req, text, written);
}

/* Either render or take. */
static const struct file {
	const char *name;
	void (*render)(struct ck_mount *m, struct text *t);
	void (*take)(fuse_req_t req, const char *text, size_t written);
} files[] = {
	{ .name = "checkpoint.json", .render = render_checkpoint },
	{ .name = "status.json", .render = render_status },
	{ .name = "log", .render = render_log },
	{ .name = "commit", .take = take_commit },
	{ .name = "discard", .take = take_discard },
};

#define NFILES (sizeof(files) / sizeof(files[0]))

fuse_ino_t ck_rw_special_ino(unsigned number)
{
	return ck_ino(0, CK_INO_SPECIAL + number, number == 0 ? CK_INO_DIR : CK_INO_DATA);
}

/* The stage has numbers below and above these. */
bool ck_rw_is_special(fuse_ino_t ino)
{
	return ino >> 3 >= CK_INO_SPECIAL && ino >> 3 < CK_STAGE_FIRST_ID;
}

unsigned ck_rw_special_find(const char *name)
{
	for (unsigned i = 0; i < NFILES; i++)
		if (strcmp(name, files[i].name) == 0)
			return i + 1;
	return 0;
}

const char *ck_rw_special_name(unsigned number)
{
	return number >= 1 && number <= NFILES ? files[number - 1].name : NULL;
}

static const struct file *file_of(fuse_ino_t ino)
{
	uint64_t number = (ino >> 3) - CK_INO_SPECIAL;

	return number >= 1 && number <= NFILES ? &files[number - 1] : NULL;
}

static uint64_t size_of(struct ck_mount *m, const struct file *f)
{
	ck_auto_buf struct ck_buf b = CK_BUF_INIT;
	struct text t = { .out = &b, .measure = true };

	if (!f->render)
		return 0;
	f->render(m, &t);
	return t.n + b.n;
}

int ck_rw_special_attr(struct ck_mount *m, fuse_ino_t ino, struct stat *ret)
{
	const struct file *f = file_of(ino);
	struct stat st = {
		.st_ino = ino,
		.st_uid = m->uid,
		.st_gid = m->gid,
		.st_blksize = 4096,
		.st_nlink = 1,
		.st_mtim = m->rw->opened,
		.st_ctim = m->rw->opened,
		.st_atim = m->rw->opened,
	};

	if (ino == ck_rw_special_ino(0)) {
		st.st_mode = S_IFDIR | m->dir_mode;
		st.st_nlink = 2;
	} else if (f) {
		st.st_mode = S_IFREG | ((f->render ? 0444 : 0200) & ~(mode_t)m->opt->umask);
		st.st_size = (off_t)size_of(m, f);
		st.st_blocks = (blkcnt_t)((st.st_size + 511) / 512);
	} else {
		return -ESTALE;
	}
	*ret = st;
	return 0;
}

int ck_rw_special_read(struct ck_mount *m, struct ck_rw_file *f, uint64_t off, size_t n,
		       struct ck_buf *out)
{
	const struct file *file = file_of(f->ino);
	struct text t = { .out = &f->text };
	int r = 0;

	if (!file || !file->render)
		return 0; /* there is nothing in it */
	pthread_mutex_lock(&f->lock);
	if (off == 0) {
		ck_buf_done(&f->text);
		file->render(m, &t);
	}
	if (off < f->text.n)
		ck_buf_add(out, f->text.p + off, f->text.n - off < n ? f->text.n - off : n);
	if (ck_buf_failed(out) || ck_buf_failed(&f->text))
		r = -ENOMEM;
	pthread_mutex_unlock(&f->lock);
	return r;
}

void ck_rw_special_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n)
{
	const struct file *f = file_of(ino);
	char *text;

	if (!f || !f->take) {
		fuse_reply_write(req, n);
		return;
	}
	text = strndup(p, n);
	if (text)
		f->take(req, text, n);
	else
		fuse_reply_err(req, ENOMEM);
	free(text);
}

int ck_rw_special_refuse(fuse_ino_t parent, const char *name, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM], path[300];

	if (parent == FUSE_ROOT_ID && strcmp(name, CK_SPECIAL_NAME) == 0)
		return ck_fail(err, CK_USAGE, EPERM, "%s: is the mount's own folder: it stays",
			       name);
	if (!ck_rw_is_special(parent))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", CK_SPECIAL_NAME, name);
	return ck_fail(err, CK_USAGE, EPERM, "%s: in the mount's own folder nothing is made, moved or "
		       "deleted", ck_quote(quoted, sizeof(quoted), path, strlen(path)));
}
