/*
 * shardnames.c - the names of a publish's files: usually just the new index's, sometimes those of
 * all data files.
 *
 * A bundle's data files are called after their number and how many there are, so a new one gives
 * all of them new names: the old ones are linked to them (a shard is never copied where it can be
 * linked), the new index says the new number, and the old names go afterwards. Publishing
 * elsewhere (save=) is the same with another prefix, but that the old names stay.
 *
 * PREPARE says which files are about to be made; the index's temporary name needs no record.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MORE_MAX 1000 /* numbers tried where names are taken */

struct ck_span ck_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	path = slash ? slash + 1 : path;
	return ck_span(path, strlen(path));
}

char *ck_shard_name(const char *prefix, uint32_t id, uint32_t num)
{
	struct ck_buf b = CK_BUF_INIT;

	ck_buf_printf(&b, "%s.data-%05" PRIu32 "-of-%05" PRIu32, prefix, id, num);
	if (!ck_buf_failed(&b))
		return b.p;
	ck_buf_done(&b);
	return NULL;
}

static bool uses_stage_file(const struct ck_publish *x)
{
	for (size_t i = 0; i < x->plan.nitems; i++)
		if (x->plan.items[i].place.shard == CK_REC_STAGE)
			return true;
	return false;
}

/* A number of shards under which none of the names that we need is taken. */
static int choose_number(struct ck_stage *s, struct ck_publish *x, uint32_t least,
			 struct ck_err *err)
{
	for (uint32_t num = least; num < least + MORE_MAX; num++) {
		bool taken = false;

		for (uint32_t i = 0; i < s->nshards && !taken; i++) {
			uint32_t id = s->shards[i].id == CK_REC_STAGE ? x->stage_id :
									s->shards[i].id;
			char *name = ck_shard_name(s->prefix, id, num);
			struct ck_vstat st;
			int r;

			if (!name)
				return ck_fail_nomem(err, s->prefix);
			r = s->vfs->lstat(s->vfs, name, &st);
			free(name);
			if (r < 0 && r != -ENOENT)
				return ck_fail(err, CK_PUBLISH, -r, "%s: its files cannot be "
					       "examined: %s", s->prefix, strerror(-r));
			taken = r == 0;
		}
		if (!taken) {
			x->num_shards = num;
			return 0;
		}
	}
	return ck_fail(err, CK_PUBLISH, EEXIST, "%s: data files of other checkpoints are in the "
		       "way: move %s.data-* away", s->prefix, s->prefix);
}

static int add_name(char ***list, uint32_t *n, char *name, struct ck_stage *s, struct ck_err *err)
{
	char **p = name ? realloc(*list, (*n + 1) * sizeof(*p)) : NULL;

	if (!p) {
		free(name);
		return ck_fail_nomem(err, s->prefix);
	}
	*list = p;
	p[(*n)++] = name;
	return 0;
}

static int log_prepare(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	struct ck_record rec = { .type = CK_REC_PREPARE };
	int r;

	rec.paths = calloc(x->nmade + 1, sizeof(*rec.paths));
	if (!rec.paths)
		return ck_fail_nomem(err, s->prefix);
	for (uint32_t i = 0; i < x->nmade; i++)
		rec.paths[rec.npaths++] = ck_file_name(x->made[i]);
	r = ck_journal_append(s->journal, &rec, NULL, err);
	if (r == 0)
		r = ck_journal_sync(s->journal, err);
	free(rec.paths);
	return r;
}

/* Answers of a file system that has no hard links, or no more of them. */
static bool no_links(int r)
{
	return r == -EPERM || r == -EOPNOTSUPP || r == -ENOSYS || r == -EMLINK;
}

/* A whole file under a second name: shared if the file system can, else by all means. */
static int make_copy(struct ck_stage *s, struct ck_sshard *sh, const char *to, bool may_link,
		     char *how, struct ck_err *err)
{
	struct ck_vfile *src = NULL, *dst = NULL;
	struct ck_vstat st;
	int r;

	r = ck_vfs_open(s->vfs, sh->path, O_RDONLY, 0, &src);
	if (r == 0)
		r = s->vfs->fstat(src, &st);
	if (r == 0)
		r = ck_vfs_open(s->vfs, to, O_RDWR | O_CREAT | O_EXCL, st.mode & 0777, &dst);
	if (r == 0 && s->vfs->clone(dst, 0, src, 0, st.size) == 0) {
		strcpy(how, "reflink");
	} else if (r == 0 && may_link) {
		dst = ck_vfs_close(dst);
		r = s->vfs->unlink(s->vfs, to);
		if (r == 0)
			r = s->vfs->link(s->vfs, sh->path, to);
		if (r == 0)
			strcpy(how, "hard link");
		else if (r == -EXDEV || no_links(r))
			/* Never O_TRUNC: a link that failed may be there, and be the source. */
			r = ck_vfs_open(s->vfs, to, O_RDWR | O_CREAT | O_EXCL, st.mode & 0777,
					&dst);
	}
	if (r == 0 && !*how) {
		r = ck_vfs_copy(dst, 0, src, 0, st.size);
		strcpy(how, "copy");
	}
	if (r == 0 && dst)
		r = ck_vfs_sync(dst);
	ck_vfs_close(src);
	ck_vfs_close(dst);
	return r < 0 ? ck_fail(err, CK_PUBLISH, -r, "%s: cannot be made: %s: nothing was changed",
			       to, strerror(-r)) : 0;
}

static int make_symlink(struct ck_stage *s, const char *from, const char *to, struct ck_err *err)
{
	char target[4096];
	ssize_t n = s->vfs->readlink(s->vfs, from, target, sizeof(target) - 1);
	int r;

	if (n >= 0)
		target[n] = '\0';
	r = n < 0 ? (int)n : s->vfs->symlink(s->vfs, target, to);
	return r < 0 ? ck_fail(err, CK_PUBLISH, -r, "%s: cannot be made: %s: nothing was changed",
			       to, strerror(-r)) : 0;
}

static int make_name(struct ck_stage *s, struct ck_publish *x, struct ck_sshard *sh, const char *to,
		     struct ck_err *err)
{
	struct ck_vstat st;
	char how[16] = "";
	int r = s->vfs->lstat(s->vfs, sh->path, &st);

	if (r < 0)
		return ck_fail(err, CK_PUBLISH, -r, "%s: %s", sh->path, strerror(-r));
	if (s->foreign && sh->id != CK_REC_STAGE) {
		/* A link would be to the symlink, not to what it leads to. */
		r = make_copy(s, sh, to, !S_ISLNK(st.mode), how, err);
	} else if (S_ISLNK(st.mode)) {
		r = make_symlink(s, sh->path, to, err);
	} else {
		r = s->vfs->link(s->vfs, sh->path, to);
		if (no_links(r))
			r = make_copy(s, sh, to, false, how, err); /* no links here */
		else if (r < 0)
			ck_fail(err, CK_PUBLISH, -r, "%s: cannot be made: %s: nothing was changed",
				to, strerror(-r));
	}
	if (*how)
		strcpy(x->plan.report.shards, how);
	return r;
}

/* Compacting keeps nothing but the file that everything was written to; publishing elsewhere, and
 * the end of compacting, what variables lie in. */
static bool is_kept(const struct ck_stage *s, const struct ck_publish *x,
		    const struct ck_sshard *sh)
{
	if (sh->id == CK_REC_STAGE)
		return x->stage_used;
	return !x->compact && sh->stat.ino &&
	       (sh->source || sh->file || (!s->foreign && !x->renumber));
}

static int name_shards(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < s->nshards && r == 0; i++) {
		struct ck_sshard *sh = &s->shards[i];

		if (is_kept(s, x, sh))
			r = add_name(&x->made, &x->nmade,
				     ck_shard_name(s->prefix, sh->id == CK_REC_STAGE ?
							      x->stage_id : sh->id,
						   x->num_shards), s, err);
	}
	if (r == 0)
		r = log_prepare(s, x, err);
	for (uint32_t i = 0, made = 0; i < s->nshards && r == 0; i++) {
		struct ck_sshard *sh = &s->shards[i];

		if (is_kept(s, x, sh))
			r = make_name(s, x, sh, x->made[made++], err);
		else if (!x->compact || sh->id == CK_REC_STAGE)
			continue;
		if (r == 0 && (sh->id == CK_REC_STAGE || !s->foreign))
			r = add_name(&x->commit.remove, &x->commit.nremove, strdup(sh->path), s,
				     err);
	}
	return r;
}

int ck_layout_make(struct ck_stage *s, struct ck_publish *x, struct ck_err *err)
{
	struct ck_buf tmp = CK_BUF_INIT;
	uint32_t least;
	int r;

	ck_buf_printf(&tmp, "%s.ckptfuse-new", s->index_path);
	x->commit.index_tmp = tmp.p;
	x->commit.index_path = strdup(s->index_path);
	if (ck_buf_failed(&tmp) || !x->commit.index_path)
		return ck_fail_nomem(err, s->prefix);
	x->num_shards = s->num_shards;
	/* TensorFlow's writer makes a data file even where there is nothing to be put in it. */
	x->stage_used = x->compact || !s->exists || uses_stage_file(x);
	x->stage_id = s->exists && !x->compact ? s->num_shards : 0;
	x->new_files = x->stage_used || s->foreign || x->renumber;
	if (!x->new_files)
		return 0;
	/* While there is only one, its name is taken: it gets the next. */
	least = x->renumber ? 1 : x->stage_id + x->stage_used;
	r = choose_number(s, x, least ? least : 1, err);
	return r < 0 ? r : name_shards(s, x, err);
}

void ck_layout_undo(struct ck_stage *s, struct ck_publish *x)
{
	if (x->commit.index_tmp)
		s->vfs->unlink(s->vfs, x->commit.index_tmp);
	for (uint32_t i = 0; i < x->nmade; i++)
		s->vfs->unlink(s->vfs, x->made[i]);
}
