/*
 * ops.c - a read-only mount's table of operations, what is agreed on with the kernel, and statfs
 * (ops.h).
 *
 * flush, fsync and fsyncdir are left out on purpose: the kernel takes that as success for good and
 * does not ask again, which is right while nothing can be written.
 */
#include "fuse/ops.h"

static void unset(struct fuse_conn_info *conn, unsigned capability)
{
	conn->want &= ~capability;
}

static void set(struct fuse_conn_info *conn, unsigned capability)
{
	conn->want |= conn->capable & capability;
}

void ck_ops_init(void *userdata, struct fuse_conn_info *conn)
{
	struct ck_mount *m = userdata;

	/* The same number stands in the mount's options; libfuse insists on both. */
	conn->max_read = CK_MAX_READ;
	if (conn->max_write > CK_MAX_READ)
		conn->max_write = CK_MAX_READ;
	conn->max_background = 64;
	conn->congestion_threshold = 48;

	/* Answers lie in mapped files: piping them through splice costs more than it saves. */
	unset(conn, FUSE_CAP_SPLICE_READ);
	unset(conn, FUSE_CAP_SPLICE_WRITE);
	unset(conn, FUSE_CAP_SPLICE_MOVE);
	/* We do not answer lookups of ".". */
	unset(conn, FUSE_CAP_EXPORT_SUPPORT);
	set(conn, FUSE_CAP_ASYNC_READ);
	set(conn, FUSE_CAP_ASYNC_DIO);
	set(conn, FUSE_CAP_PARALLEL_DIROPS);
	set(conn, FUSE_CAP_READDIRPLUS);
	set(conn, FUSE_CAP_READDIRPLUS_AUTO);
	/* A folder's cached listing is thrown away when its time changes. */
	set(conn, FUSE_CAP_AUTO_INVAL_DATA);
	m->no_opendir = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	sem_post(&m->initialised);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_slot *s = ck_slots_current(&m->slots);
	struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = s->bytes / 4096 + (s->bytes % 4096 != 0),
		.f_files = ck_tree_nodes(s->tree),
		.f_namemax = 255,
	};

	(void)ino;
	ck_slot_put(&m->slots, s, 1);
	fuse_reply_statfs(req, &st);
}

void ck_ops_fill(struct fuse_lowlevel_ops *ops)
{
	*ops = (struct fuse_lowlevel_ops){
		.init = ck_ops_init,
		.lookup = ck_op_lookup,
		.forget = ck_op_forget,
		.forget_multi = ck_op_forget_multi,
		.getattr = ck_op_getattr,
		.open = ck_op_open,
		.read = ck_op_read,
		.release = ck_op_release,
		.opendir = ck_op_opendir,
		.readdir = ck_op_readdir,
		.readdirplus = ck_op_readdirplus,
		.statfs = op_statfs,
		.getxattr = ck_op_getxattr,
		.listxattr = ck_op_listxattr,
	};
	ck_ops_refuse_writes(ops);
}
