/*
 * session.c - see session.h.
 *
 * The mount is usable when a stat() of it has been answered: then INIT has been, requests are
 * read, and somebody answers them. The stat is made by a thread of its own, as nobody may touch
 * the mount from a thread that serves it.
 */
#include "fuse/session.h"

#include "base/log.h"
#include "fuse/ops.h"
#include "fuse/readahead.h"
#include "fuse/rw.h"
#include "fuse/signals.h"

#include <errno.h>
#include <fuse_opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct ready {
	struct ck_mount *m;
	struct ck_daemon *d;
	struct ck_signals *signals;
	bool passed;
	bool started;
	bool over; /* the session has ended; atomic */
	sem_t past; /* posted when m is not used any more */
};

static void log_library(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[512];

	if (level > FUSE_LOG_WARNING)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	ck_log("%s", text);
}

static int library_args(const struct ck_mount *m, struct fuse_args *args, struct ck_err *err)
{
	const struct ck_options *o = m->opt;
	char *fsname = NULL, *options = NULL;
	bool ok = false;

	if (asprintf(&fsname, "fsname=%s", o->fsname ? o->fsname : m->source) < 0)
		fsname = NULL;
	if (asprintf(&options, "%s,subtype=ckptfuse,max_read=%u%s%s", m->rw ? "rw" : "ro",
		     CK_MAX_READ, o->library ? "," : "", o->library ? o->library : "") < 0)
		options = NULL;
	if (fsname && options && fuse_opt_add_opt_escaped(&options, fsname) == 0)
		ok = fuse_opt_add_arg(args, "ckptfuse") == 0 &&
		     fuse_opt_add_arg(args, "-o") == 0 && fuse_opt_add_arg(args, options) == 0 &&
		     (!o->debug || fuse_opt_add_arg(args, "-d") == 0);
	free(fsname);
	free(options);
	return ok ? 0 : ck_fail_nomem(err, m->source);
}

/* What went to stderr through fd, on one line. */
static void read_back(int fd, char *text, size_t room)
{
	ssize_t n = pread(fd, text, room - 1, 0);
	char *p;

	text[n > 0 ? n : 0] = '\0';
	for (n = (ssize_t)strlen(text); n > 0 && text[n - 1] == '\n'; n--)
		text[n - 1] = '\0';
	for (p = text; *p; p++)
		if (*p == '\n')
			*p = ';';
}

static const char *advice(const char *said)
{
	if (strstr(said, "user_allow_other"))
		return ": add the line user_allow_other to /etc/fuse.conf";
	if (strstr(said, "device not found") || strstr(said, "/dev/fuse"))
		return ": is the fuse module loaded, and /dev/fuse there for you?";
	if (strstr(said, "exec fusermount3"))
		return ": install fuse3, or run as root";
	if (strstr(said, "not permitted") || strstr(said, "denied"))
		return ": only root may, or the owner of the folder where fuse3 is installed; "
		       "a container needs the capability SYS_ADMIN";
	return "";
}

/* libfuse and fusermount3 print what is wrong. It is caught, to become our one line. */
static int mount_session(struct ck_mount *m, struct ck_err *err)
{
	int caught = memfd_create("stderr", MFD_CLOEXEC);
	int saved = caught >= 0 ? fcntl(2, F_DUPFD_CLOEXEC, 3) : -1;
	char said[600] = "";
	int r;

	if (saved >= 0)
		dup2(caught, 2);
	r = fuse_session_mount(m->session, m->mountpoint);
	if (saved >= 0) {
		dup2(saved, 2);
		close(saved);
		read_back(caught, said, sizeof(said));
	}
	if (caught >= 0)
		close(caught);
	if (r < 0)
		return ck_fail(err, CK_MOUNT, EPERM, "%s: cannot be mounted on: %s%s", m->mountpoint,
			       *said ? said : "libfuse does not say why", advice(said));
	if (*said)
		ck_log("%s: %s", m->mountpoint, said);
	return 0;
}

static int open_session(struct ck_mount *m, struct ck_err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_lowlevel_ops ops;
	int r;

	r = library_args(m, &args, err);
	if (r == 0) {
		if (m->rw)
			ck_rw_ops_fill(&ops);
		else
			ck_ops_fill(&ops);
		m->session = fuse_session_new(&args, &ops, sizeof(ops), m);
		if (!m->session)
			r = ck_fail(err, CK_MOUNT, EINVAL,
				    "%s: libfuse refuses the options", m->mountpoint);
	}
	fuse_opt_free_args(&args);
	return r;
}

static int serve(struct ck_mount *m)
{
	const struct ck_options *o = m->opt;
	struct fuse_loop_config *config;
	int r;

	if (o->single)
		return fuse_session_loop(m->session);
	config = fuse_loop_cfg_create();
	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, o->clone_fd);
	if (o->max_threads > 0)
		fuse_loop_cfg_set_max_threads(config, (unsigned)o->max_threads);
	r = fuse_session_loop_mt(m->session, config);
	fuse_loop_cfg_destroy(config);
	return r;
}

static void *wait_ready(void *arg)
{
	struct ready *r = arg;
	struct stat st;
	bool usable;

	if (r->passed) {
		while (sem_wait(&r->m->initialised) < 0)
			;
		usable = !__atomic_load_n(&r->over, __ATOMIC_ACQUIRE);
	} else {
		usable = stat(r->m->mountpoint, &st) == 0;
		if (usable)
			ck_readahead_raise(st.st_dev);
	}
	sem_post(&r->past);
	if (!usable || !ck_daemon_ready(r->d))
		ck_signals_end_session(r->signals);
	return NULL;
}

/* The thread may still wait for a reader of the notify pipe when the mount ends. It ends with the
 * program then; what it still uses is static. */
static int start_ready(struct ready *ready, struct ck_err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	sem_init(&ready->past, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, wait_ready, ready);
	pthread_attr_destroy(&attr);
	if (r)
		return ck_fail(err, CK_MOUNT, r, "%s: cannot start a thread: %s: "
			       "raise the limit on processes", ready->m->source, strerror(r));
	ready->started = true;
	return 0;
}

static int serve_to_the_end(struct ck_mount *m, struct ready *ready, struct ck_err *err)
{
	int r = serve(m);

	if (r == -1) /* libfuse has logged why */
		return ck_fail(err, CK_MOUNT, EAGAIN, "%s: libfuse cannot start a thread: "
			       "raise the limit on processes, or use -s", m->mountpoint);
	if (r != 0)
		return ck_fail(err, CK_MOUNT, r < 0 ? -r : EIO, "%s: serving the mount failed: %s",
			       m->mountpoint, strerror(r < 0 ? -r : EIO));
	if (!ck_daemon_has_told(ready->d))
		return ck_fail(err, CK_MOUNT, EINTR, "%s: was unmounted before it was usable",
			       m->mountpoint);
	return 0;
}

/* After the unmount every stat() returns, and nobody waits for INIT any more. */
static void let_go(struct ready *ready)
{
	__atomic_store_n(&ready->over, true, __ATOMIC_RELEASE);
	sem_post(&ready->m->initialised);
	while (sem_wait(&ready->past) < 0)
		;
}

int ck_session_run(struct ck_mount *m, bool passed, struct ck_daemon *d, struct ck_err *err)
{
	static struct ck_signals signals;
	static struct ready ready;
	int r;

	r = open_session(m, err);
	if (r < 0)
		return r;
	ck_signals_block();
	r = mount_session(m, err);
	if (r < 0)
		goto destroy;
	if (!m->opt->debug)
		fuse_set_log_func(log_library);
	ready = (struct ready){ .m = m, .d = d, .signals = &signals, .passed = passed };
	r = m->rw ? ck_publisher_start(&m->rw->publisher, m, err) : 0;
	if (r == 0)
		r = ck_signals_start(&signals, m, err);
	if (r == 0)
		r = start_ready(&ready, err);
	ck_daemon_outlive();
	if (r == 0)
		r = serve_to_the_end(m, &ready, err);
	ck_signals_stop(&signals);
	if (m->rw)
		ck_publisher_stop(&m->rw->publisher);
	fuse_session_unmount(m->session);
	if (ready.started)
		let_go(&ready);
destroy:
	fuse_session_destroy(m->session);
	m->session = NULL;
	return r;
}
