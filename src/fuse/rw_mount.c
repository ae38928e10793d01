/*
 * rw_mount.c - see rw_mount.h.
 *
 * The end: when the session's loop is over, whatever ended it, what this mount itself has staged is
 * published, unless commit=manual. On SIGTERM and SIGINT that has been done once before, while the
 * mount still answered, so that pages of mappings are in it; there is little left then.
 */
#include "fuse/rw_mount.h"

#include "base/log.h"
#include "core/ckpt.h"
#include "fuse/mountpoint.h"
#include "fuse/path.h"
#include "fuse/rw.h"
#include "fuse/session.h"

#include <errno.h>
#include <stdlib.h>

/* The files that a writable mount has to do with besides the source; absolute, NULL: none. */
struct paths {
	char *prefix;
	char *save;
	char *journal;
};

static void paths_done(struct paths *p)
{
	free(p->prefix);
	free(p->save);
	free(p->journal);
}

static int find_paths(const struct ck_mount *m, const struct ck_location *where, struct paths *ret,
		      struct ck_err *err)
{
	const struct ck_options *o = m->opt;

	ret->prefix = ck_path_absolute(m->cwd, where->prefix);
	if (o->save)
		ret->save = ck_path_absolute(m->cwd, o->save);
	if (o->journal)
		ret->journal = ck_path_absolute(m->cwd, o->journal);
	if (!ret->prefix || (o->save && !ret->save) || (o->journal && !ret->journal))
		return ck_fail_nomem(err, m->source);
	return 0;
}

/* With create= there is nothing to be found yet: SOURCE is the prefix. */
static int locate(const struct ck_mount *m, struct ck_location *ret, struct ck_err *err)
{
	if (!m->opt->create)
		return ck_locate(m->opt->source, ret, err);
	*ret = (struct ck_location){ .prefix = strdup(m->opt->source) };
	return ret->prefix ? 0 : ck_fail_nomem(err, m->source);
}

static int open_stage(struct ck_mount *m, const struct paths *p, const char *holder,
		      struct ck_err *err)
{
	const struct ck_options *o = m->opt;
	struct ck_stage_options so = {
		.vfs = &ck_vfs_posix,
		.prefix = p->prefix,
		.save = p->save,
		.journal = p->journal,
		.create = o->create,
		.force = o->force,
		.how = o->how,
		.tree = { .sep = o->sep, .raw_names = o->raw_names },
		.subdir = o->subdir,
		.holder = holder,
		.uid = m->uid,
		.gid = m->gid,
		.file_mode = m->file_mode,
		.dir_mode = m->dir_mode,
		.progress = { .fn = ck_rw_show_progress },
	};
	struct ck_rw *rw = calloc(1, sizeof(*rw));
	struct ck_meter meter;
	int r;

	if (!rw)
		return ck_fail_nomem(err, m->source);
	so.progress.arg = rw;
	ck_rw_opens_init(&rw->opens);
	pthread_mutex_init(&rw->meter_lock, NULL);
	rw->folder = ck_path_parent(p->save ? p->save : p->prefix);
	clock_gettime(CLOCK_REALTIME, &rw->opened);
	ck_rw_begin_progress(rw, &meter);
	r = rw->folder ? ck_stage_open(&so, &rw->stage, err) : ck_fail_nomem(err, m->source);
	ck_rw_end_progress(rw);
	m->rw = rw;
	if (r == 0)
		ck_rw_tell_news(rw);
	return r;
}

/* What has been staged here and stays so. */
static void log_left(const struct ck_mount *m)
{
	bool own;

	if (m->opt->manual && ck_stage_dirty(m->rw->stage, &own) && own)
		ck_log("%s: edits are staged and not published: ckptctl commit %s publishes them",
		       m->source, m->source);
}

/* Publishes and closes. The first error is the one that counts; another is logged. */
static int finish(struct ck_mount *m, int r, struct ck_err *err)
{
	struct ck_rw *rw = m->rw;
	struct ck_err late = CK_ERR_INIT;
	int failed = 0;

	ck_rw_opens_done(rw);
	if (rw->stage) {
		if (m->opt->manual)
			log_left(m);
		else
			failed = ck_rw_publish(rw, 0, &late);
		ck_rw_tell_news(rw);
		if (ck_stage_close(rw->stage, &late) < 0 && failed == 0)
			failed = -EIO;
	}
	pthread_mutex_destroy(&rw->meter_lock);
	free(rw->folder);
	free(rw);
	m->rw = NULL;
	if (failed == 0)
		return r;
	if (r < 0) {
		ck_log("%s", late.text);
		return r;
	}
	*err = late;
	err->cls = CK_PUBLISH;
	return failed;
}

static int serve(struct ck_mount *m, struct ck_mountpoint *mp, const struct ck_location *where,
		 const struct paths *p, struct ck_daemon *d, struct ck_err *err)
{
	const char *written[] = { p->save ? p->save : p->journal, p->save ? p->journal : NULL,
				  NULL };
	int r = open_stage(m, p, mp->path, err);

	if (r == 0)
		r = ck_mountpoint_prepare(mp, m->opt->source, where, ck_stage_model(m->rw->stage),
					  written, err);
	if (r == 0) {
		m->mountpoint = mp->path;
		r = ck_session_run(m, mp->passed, d, err);
	}
	return m->rw ? finish(m, r, err) : r;
}

int ck_rw_mount(struct ck_mount *m, struct ck_daemon *d, struct ck_err *err)
{
	struct ck_mountpoint mp = { 0 };
	struct ck_location where;
	struct paths p = { 0 };
	int r;

	r = locate(m, &where, err);
	if (r < 0)
		return r;
	r = find_paths(m, &where, &p, err);
	if (r == 0)
		r = ck_mountpoint_choose(m->opt->mountpoint, m->opt->source, m->cwd, &where, &mp,
					 err);
	if (r == 0)
		r = serve(m, &mp, &where, &p, d, err);
	ck_mountpoint_done(&mp);
	paths_done(&p);
	ck_location_done(&where);
	return r;
}
