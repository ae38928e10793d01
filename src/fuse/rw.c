/* rw.c - the table of a writable mount's operations, and what several of them need (rw.h). */
#include "fuse/rw.h"

#include "fuse/ops.h"
#include "fuse/reply.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Programs ask whether something is there, or a buffer large enough, by trying. */
static bool is_an_answer(int r)
{
	switch (-r) {
	case 0:
	case ENOENT:
	case EEXIST:
	case ENODATA:
	case ERANGE:
	case ENOTDIR:
	case EISDIR:
	case ENOTEMPTY:
	case ENAMETOOLONG:
	case ENXIO:
		return true;
	}
	return false;
}

void ck_rw_reply_err(fuse_req_t req, int r, const struct ck_err *err)
{
	ck_reply_err(req, r, is_an_answer(r) ? NULL : err);
}

void ck_rw_begin_progress(struct ck_rw *rw, struct ck_meter *meter)
{
	ck_meter_init(meter, STDERR_FILENO);
	pthread_mutex_lock(&rw->meter_lock);
	rw->meter = meter;
	pthread_mutex_unlock(&rw->meter_lock);
}

void ck_rw_end_progress(struct ck_rw *rw)
{
	struct ck_meter *meter;

	pthread_mutex_lock(&rw->meter_lock);
	meter = rw->meter;
	rw->meter = NULL;
	pthread_mutex_unlock(&rw->meter_lock);
	ck_meter_done(meter);
}

void ck_rw_show_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct ck_rw *rw = arg;

	pthread_mutex_lock(&rw->meter_lock);
	if (rw->meter)
		ck_meter_show(rw->meter, what, done, total);
	pthread_mutex_unlock(&rw->meter_lock);
}

int ck_rw_publish(struct ck_rw *rw, unsigned flags, struct ck_err *err)
{
	struct ck_publish_report report;
	struct ck_meter meter;
	int r;

	ck_rw_begin_progress(rw, &meter);
	r = ck_stage_publish(rw->stage, flags, &report, err);
	ck_rw_end_progress(rw);
	return r;
}

/*
 * What is written by who only writes comes without being put into pages first, which is faster by
 * half: a copy less, and a request less for each write (rw_xattr.c). Since Linux 6.18 (FUSE 7.45)
 * the kernel drops its pages of those bytes before such a write and after it. Earlier ones did so
 * before at best, so that who read meanwhile could keep old bytes.
 */
#define DIRECT_SINCE 45

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct ck_mount *m = userdata;

	ck_ops_init(userdata, conn);
	/* Nothing is cached of folders, and pages are dropped where versions say so (rw_open.h):
	 * a file's time changes with every write to it. */
	conn->want &= ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
				  FUSE_CAP_READDIRPLUS_AUTO);
	/* Opening with O_TRUNC is one request: the stage has to know that both belong together. */
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
	m->rw->direct_writes = conn->proto_major > 7 || conn->proto_minor >= DIRECT_SINCE;
}

/* Free is what is free where it is published to. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct ck_rw *rw = ck_rw_of(req);
	struct statvfs below, st = { .f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255 };
	uint64_t count, bytes;

	(void)ino;
	ck_stage_totals(rw->stage, &count, &bytes);
	st.f_blocks = bytes / 4096 + (bytes % 4096 != 0);
	if (statvfs(rw->folder, &below) == 0) {
		double scale = (double)below.f_frsize / 4096;

		st.f_bfree = (fsblkcnt_t)((double)below.f_bfree * scale);
		st.f_bavail = (fsblkcnt_t)((double)below.f_bavail * scale);
		st.f_blocks += st.f_bfree;
		st.f_files = below.f_files;
		st.f_ffree = below.f_ffree;
		st.f_favail = below.f_favail;
	}
	fuse_reply_statfs(req, &st);
}

void ck_rw_ops_fill(struct fuse_lowlevel_ops *ops)
{
	*ops = (struct fuse_lowlevel_ops){
		.init = op_init,
		.lookup = ck_rw_lookup,
		.forget = ck_rw_forget,
		.forget_multi = ck_rw_forget_multi,
		.getattr = ck_rw_getattr,
		.setattr = ck_rw_setattr,
		.mknod = ck_rw_mknod,
		.mkdir = ck_rw_mkdir,
		.unlink = ck_rw_unlink,
		.rmdir = ck_rw_rmdir,
		.symlink = ck_rw_symlink,
		.rename = ck_rw_rename,
		.link = ck_rw_link,
		.open = ck_rw_open,
		.create = ck_rw_create,
		.read = ck_rw_read,
		.write = ck_rw_write,
		.flush = ck_rw_flush,
		.fsync = ck_rw_fsync,
		.release = ck_rw_release,
		.opendir = ck_rw_opendir,
		.readdir = ck_rw_readdir,
		.releasedir = ck_rw_releasedir,
		.fsyncdir = ck_rw_fsyncdir,
		.statfs = op_statfs,
		.getxattr = ck_rw_getxattr,
		.listxattr = ck_rw_listxattr,
		.setxattr = ck_rw_setxattr,
		.removexattr = ck_rw_removexattr,
		.fallocate = ck_rw_fallocate,
		.lseek = ck_rw_lseek,
		.copy_file_range = ck_rw_copy_file_range,
	};
}
