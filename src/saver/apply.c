/*
 * apply.c - what happens once COMMIT is durable (doc/format-journal.md, steps 5 to 7).
 *
 *   5. the patches are written from the journal to where they belong, and synced
 *   6. the new index is renamed over the old one, and the folder synced
 *   7. files that are not needed any more are removed
 *
 * Every step may be done again after any part of it, so a failure or a crash is answered by calling
 * this once more. Until it has succeeded readers go by the journal (core/pending.h).
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <stdlib.h>

#define PIECE (1u << 20)

static int say(struct ck_err *err, const char *path, const char *what, int r)
{
	return ck_fail(err, CK_PUBLISH, -r,
		       "%s: %s: %s: the edits are committed and will be there once this is "
		       "finished: mend it, then commit again", path, what, strerror(-r));
}

static int patch(const struct ck_rec_patch *p, struct ck_vfile *f, struct ck_journal *j,
		 uint8_t *piece, struct ck_err *err)
{
	for (uint64_t at = 0; at < p->nbytes;) {
		size_t k = p->nbytes - at < PIECE ? (size_t)(p->nbytes - at) : PIECE;
		int r = ck_journal_read(j, p->data + at, piece, k, err);

		if (r < 0)
			return r;
		r = ck_vfs_write(f, p->offset + at, piece, k);
		if (r < 0)
			return r;
		at += k;
	}
	return 0;
}

static int patch_all(const struct ck_commit *c, struct ck_journal *j,
		     const struct ck_progress *progress, struct ck_err *err)
{
	uint8_t *piece = malloc(PIECE);
	int r = 0;

	if (!piece)
		return ck_fail_nomem(err, c->index_path);
	for (uint32_t i = 0; i < c->npatches && r == 0; i++) {
		r = patch(&c->patches[i], c->files[i], j, piece, err);
		if (r == 0 && c->patches[i].nbytes >= PIECE)
			ck_vfs_start_sync(c->files[i], c->patches[i].offset, c->patches[i].nbytes);
		if (progress && progress->fn && i % 256 == 0)
			progress->fn(progress->arg, "writing in place", i, c->npatches);
	}
	for (uint32_t i = 0; i < c->npatches && r == 0; i++)
		if (i == 0 || c->files[i] != c->files[i - 1])
			r = ck_vfs_sync(c->files[i]);
	free(piece);
	return r < 0 ? say(err, c->index_path, "bytes cannot be written in place", r) : 0;
}

int ck_apply(const struct ck_vfs *vfs, const struct ck_commit *c, struct ck_journal *j,
	     const struct ck_progress *progress, struct ck_err *err)
{
	struct ck_vstat st;
	int r = 0;

	if (c->npatches)
		r = patch_all(c, j, progress, err);
	if (r < 0)
		return r;
	r = vfs->lstat(vfs, c->index_tmp, &st);
	if (r == 0)
		r = vfs->rename(vfs, c->index_tmp, c->index_path);
	else if (r == -ENOENT) /* renamed already, where this was begun before */
		r = 0;
	if (r == 0)
		r = vfs->sync_dir(vfs, c->index_path);
	if (r < 0)
		return say(err, c->index_path, "cannot be replaced", r);
	for (uint32_t i = 0; i < c->nremove; i++) {
		r = vfs->unlink(vfs, c->remove[i]);
		if (r < 0 && r != -ENOENT)
			return say(err, c->remove[i], "cannot be removed", r);
	}
	/* Before the journal goes, which knows their names. */
	r = c->nremove ? vfs->sync_dir(vfs, c->index_path) : 0;
	return r < 0 ? say(err, c->index_path, "its folder cannot be made durable", r) : 0;
}

void ck_commit_done(struct ck_commit *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->nremove; i++)
		free(c->remove[i]);
	free(c->remove);
	free(c->patches);
	free(c->files);
	free(c->index_tmp);
	free(c->index_path);
	*c = (struct ck_commit){ 0 };
}
