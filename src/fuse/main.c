/*
 * main.c - ckptfuse from start to end, in this order:
 *
 *   descriptors 0-2 filled, arguments parsed
 *   fork; from here the child                                   daemon.c
 *   source opened                                               slot.c, rw_mount.c
 *   mount point found, made and checked                         mountpoint.c
 *   signals blocked, mounted
 *   signal thread, and the thread that waits for the mount to answer
 *   requests served, by this thread and those that libfuse makes
 *   unmounted; what was staged is published; everything freed, mount point removed
 *
 * Threads come only after the mount; until then everything runs alone.
 */
#include "fuse/daemon.h"
#include "fuse/mountpoint.h"
#include "fuse/ops.h"
#include "fuse/path.h"
#include "fuse/rw_mount.h"
#include "fuse/session.h"

#include "base/log.h"
#include "core/ckpt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void init_mount(struct ck_mount *m, const struct ck_options *o, const char *cwd,
		       const char *source)
{
	mode_t mask = (mode_t)o->umask;

	*m = (struct ck_mount){
		.opt = o,
		.cwd = cwd,
		.source = source,
		.uid = o->uid < 0 ? getuid() : (uid_t)o->uid,
		.gid = o->gid < 0 ? getgid() : (gid_t)o->gid,
		.file_mode = (o->edit ? 0644 : 0444) & ~mask,
		.dir_mode = (o->edit ? 0755 : 0555) & ~mask,
	};
	ck_slots_init(&m->slots);
	sem_init(&m->initialised, 0, 0);
}

static int serve(struct ck_mount *m, const struct ck_model *model, struct ck_daemon *d,
		 struct ck_err *err)
{
	struct ck_mountpoint mp;
	struct ck_location where;
	int r = ck_locate(m->opt->source, &where, err);

	if (r < 0)
		return r;
	r = ck_mountpoint_choose(m->opt->mountpoint, m->opt->source, m->cwd, &where, &mp, err);
	if (r == 0)
		r = ck_mountpoint_prepare(&mp, m->opt->source, &where, model, NULL, err);
	ck_location_done(&where);
	if (r == 0) {
		m->mountpoint = mp.path;
		r = ck_session_run(m, mp.passed, d, err);
	}
	ck_mountpoint_done(&mp);
	return r;
}

/* mount -f looks and writes nothing, whatever the options are. */
static int mount_and_serve(struct ck_mount *m, struct ck_daemon *d, struct ck_err *err)
{
	struct ck_slot *slot, *none;
	int r;

	if (m->opt->edit && !m->opt->fake)
		return ck_rw_mount(m, d, err);
	if (m->opt->create)
		return 0;
	r = ck_slot_open(m->opt->source, m->cwd, m->opt, &slot, err);
	if (r < 0)
		return r;
	ck_slots_show(&m->slots, slot, &none);
	return m->opt->fake ? 0 : serve(m, slot->model, d, err);
}

static enum ck_class run(const struct ck_options *o)
{
	char *cwd = get_current_dir_name(), *source, *pipe;
	struct ck_err err = CK_ERR_INIT;
	static struct ck_daemon d; /* a thread may use it to the very end, and the pipe's name */
	struct ck_mount m;
	int r = 0;

	if (!cwd)
		cwd = strdup("/"); /* it was deleted; absolute paths still work */
	source = cwd ? ck_path_absolute(cwd, o->source) : NULL;
	pipe = cwd && o->notify_pipe ? ck_path_absolute(cwd, o->notify_pipe) : NULL;
	ck_daemon_init(&d, pipe);
	if (!source || (o->notify_pipe && !pipe))
		r = ck_fail_nomem(&err, o->source);
	if (r == 0 && !o->foreground && !o->fake)
		r = ck_daemon_fork(&d, o->source, &err);
	if (r == 0) {
		init_mount(&m, o, cwd, source);
		r = mount_and_serve(&m, &d, &err);
		ck_slots_done(&m.slots);
	}
	if (r < 0)
		ck_log("%s", err.text);
	ck_daemon_failed(&d, err.cls); /* of no effect once the mount was usable */
	free(source);
	free(cwd);
	return err.cls;
}

int main(int argc, char **argv)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_daemon d;
	struct ck_options o;
	int code = CK_OK;

	ck_daemon_fill_fds();
	ck_log_open("ckptfuse", CK_LOG_STDERR);
	if (ck_options_parse(&o, argc, argv, &err) < 0) {
		ck_log("%s", err.text);
		ck_daemon_init(&d, o.notify_pipe);
		ck_daemon_failed(&d, err.cls);
		code = err.cls;
	} else if (o.help) {
		ck_options_print_help();
	} else if (o.version) {
		ck_options_print_version();
	} else {
		code = run(&o);
	}
	ck_options_done(&o);
	return code;
}
