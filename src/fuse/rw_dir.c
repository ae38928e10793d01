/*
 * rw_dir.c - opendir, readdir, releasedir, fsyncdir of a writable mount (rw.h).
 *
 * A listing is the folder as it was when it was begun (or rewound), kept in the handle, so that
 * what is deleted or made meanwhile moves nothing else: rm -r depends on it.
 *
 * Positions: 0 is ".", 1 is "..", 2 is .ckptfuse (in the root), 3 + n the n-th entry.
 */
#include "fuse/rw.h"

#include "fuse/rw_special.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 3

struct folder {
	pthread_mutex_t lock;
	bool listed; /* under lock, as what follows */
	struct ck_stage_names names;
};

static struct folder *folder_of(const struct fuse_file_info *fi)
{
	return (struct folder *)(uintptr_t)fi->fh;
}

static void free_folder(struct folder *f)
{
	ck_stage_names_done(&f->names);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void ck_rw_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct folder *f = calloc(1, sizeof(*f));

	(void)ino;
	if (!f) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	pthread_mutex_init(&f->lock, NULL);
	fi->fh = (uintptr_t)f;
	if (fuse_reply_open(req, fi) < 0)
		free_folder(f);
}

void ck_rw_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	free_folder(folder_of(fi));
	fuse_reply_err(req, 0);
}

static int list_special(struct ck_stage_names *ret)
{
	struct ck_stage_names names = { 0 };
	size_t n = 0;

	while (ck_rw_special_name((unsigned)n + 1))
		n++;
	names.v = calloc(n, sizeof(*names.v));
	if (!names.v)
		return -ENOMEM;
	for (; names.n < n; names.n++) {
		unsigned number = (unsigned)names.n + 1;

		names.v[names.n] = (struct ck_stage_name){
			.name = strdup(ck_rw_special_name(number)),
			.ino = ck_rw_special_ino(number),
			.type = S_IFREG,
		};
		if (!names.v[names.n].name) {
			ck_stage_names_done(&names);
			return -ENOMEM;
		}
	}
	*ret = names;
	return 0;
}

static int list_locked(struct ck_rw *rw, struct folder *f, fuse_ino_t ino, struct ck_err *err)
{
	struct ck_stage_names names;
	int r = ck_rw_is_special(ino) ? list_special(&names) :
					ck_stage_list(rw->stage, ino, &names, err);

	if (r < 0)
		return r;
	ck_stage_names_done(&f->names);
	f->names = names;
	f->listed = true;
	return 0;
}

struct answer {
	fuse_req_t req;
	char *p;
	size_t n, room;
};

static bool add(struct answer *a, const char *name, fuse_ino_t ino, mode_t type, uint64_t next)
{
	struct stat st = { .st_ino = ino, .st_mode = type };
	size_t left = a->room - a->n;
	size_t need = fuse_add_direntry(a->req, a->p + a->n, left, name, &st, (off_t)next);

	if (need > left)
		return false;
	a->n += need;
	return true;
}

static void fill_locked(struct answer *a, struct ck_rw *rw, const struct folder *f, fuse_ino_t ino,
			uint64_t pos)
{
	fuse_ino_t up = ck_rw_is_special(ino) ? FUSE_ROOT_ID : ck_stage_parent(rw->stage, ino);

	if (pos == 0 && !add(a, ".", ino, S_IFDIR, 1))
		return;
	if (pos <= 1 && !add(a, "..", up, S_IFDIR, 2))
		return;
	if (pos <= 2 && ino == FUSE_ROOT_ID &&
	    !add(a, CK_SPECIAL_NAME, ck_rw_special_ino(0), S_IFDIR, FIRST))
		return;
	for (uint64_t i = pos < FIRST ? 0 : pos - FIRST; i < f->names.n; i++) {
		const struct ck_stage_name *e = &f->names.v[i];

		if (!add(a, e->name, e->ino, e->type, FIRST + i + 1))
			return;
	}
}

void ck_rw_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		   struct fuse_file_info *fi)
{
	struct answer a = { .req = req, .p = malloc(size ? size : 1), .room = size };
	struct folder *f = folder_of(fi);
	struct ck_rw *rw = ck_rw_of(req);
	struct ck_err err = CK_ERR_INIT;
	int r = a.p ? 0 : -ENOMEM;

	pthread_mutex_lock(&f->lock);
	if (r == 0 && (off == 0 || !f->listed))
		r = list_locked(rw, f, ino, &err);
	if (r == 0)
		fill_locked(&a, rw, f, ino, (uint64_t)off);
	pthread_mutex_unlock(&f->lock);
	if (r < 0)
		ck_reply_err(req, r, &err);
	else
		fuse_reply_buf(req, a.p, a.n);
	free(a.p);
}

/* A sync of the root is how a program asks for publishing: sync MOUNTPOINT. */
void ck_rw_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct ck_rw *rw = ck_rw_of(req);
	struct ck_err err = CK_ERR_INIT;
	int r;

	(void)datasync;
	(void)fi;
	if (ino == FUSE_ROOT_ID) {
		ck_publisher_publish(&rw->publisher, req, 0, CK_PUBLISH_EXPLICIT);
		return;
	}
	r = ck_stage_sync(rw->stage, &err);
	ck_reply_err(req, r, &err);
}
