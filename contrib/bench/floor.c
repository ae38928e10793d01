/*
 * floor.c - the floor that the mount's read speed is measured against.
 *
 *     floor FILE OFFSET LENGTH MOUNTPOINT
 *
 * The least that a libfuse program can do for a tensor: one file, "v", whose contents are one byte
 * range of FILE, answered straight from one mapping of it. The kernel is asked for the same things
 * as ckptfuse asks it for (1 MiB requests, pages kept over opens, no splice, a read-ahead window of
 * 1 MiB), so that what is left of a difference is ckptfuse's own work.
 *
 * As ckptfuse does, the command returns when the mount is usable; it prints the daemon's pid.
 */
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define REQUEST_BYTES (1u << 20)
#define READ_AHEAD_KIB 1024
#define FOREVER 86400.0
#define INO_FILE 2

static const unsigned char *range;
static uint64_t range_len;

static void fill_stat(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	st->st_uid = getuid();
	st->st_gid = getgid();
	if (ino == INO_FILE) {
		st->st_mode = S_IFREG | 0444;
		st->st_nlink = 1;
		st->st_size = (off_t)range_len;
		st->st_blocks = (blkcnt_t)((range_len + 511) / 512);
	} else {
		st->st_mode = S_IFDIR | 0555;
		st->st_nlink = 2;
	}
}

static void op_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->max_read = REQUEST_BYTES;
	if (conn->max_write > REQUEST_BYTES)
		conn->max_write = REQUEST_BYTES;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_EXPORT_SUPPORT);
	conn->want |= conn->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO |
				       FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_AUTO_INVAL_DATA);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .attr_timeout = FOREVER, .entry_timeout = FOREVER };

	if (parent != FUSE_ROOT_ID || strcmp(name, "v") != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	e.ino = INO_FILE;
	fill_stat(INO_FILE, &e.attr);
	fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_stat(ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino != INO_FILE) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	uint64_t pos = (uint64_t)offset;

	(void)ino;
	(void)fi;
	if (pos >= range_len) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > range_len - pos)
		size = range_len - pos;
	fuse_reply_buf(req, (const char *)range + pos, size);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
};

/* A request of the kernel's read-ahead is never longer than this window, which only root can move
 * and only after the INIT handshake: hence the stat first, which waits for that. */
static void set_read_ahead(const char *mnt)
{
	char path[100];
	struct stat st;
	FILE *f;

	if (stat(mnt, &st) < 0)
		return;
	snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev),
		 minor(st.st_dev));
	f = fopen(path, "we");
	if (!f)
		return;
	fprintf(f, "%d\n", READ_AHEAD_KIB);
	fclose(f);
}

static int serve(struct fuse_session *se)
{
	struct fuse_loop_config *cfg = fuse_loop_cfg_create();
	int r;

	if (!cfg)
		return 1;
	r = fuse_session_loop_mt(se, cfg);
	fuse_loop_cfg_destroy(cfg);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return r ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se;
	uint64_t offset, skew;
	unsigned char *map;
	pid_t pid;
	int fd, null;

	if (argc != 5) {
		fprintf(stderr, "usage: floor FILE OFFSET LENGTH MOUNTPOINT\n");
		return 2;
	}
	offset = strtoull(argv[2], NULL, 0);
	range_len = strtoull(argv[3], NULL, 0);
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	skew = offset % (uint64_t)sysconf(_SC_PAGESIZE);
	map = mmap(NULL, range_len + skew, PROT_READ, MAP_SHARED, fd, (off_t)(offset - skew));
	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	range = map + skew;

	if (fuse_opt_add_arg(&args, "floor") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, "ro,nosuid,nodev,fsname=floor,subtype=floor,max_read=1048576"))
		return 1;
	se = fuse_session_new(&args, &ops, sizeof ops, NULL);
	if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, argv[4]))
		return 1;

	pid = fork();
	if (pid < 0) {
		perror("fork");
		fuse_session_unmount(se);
		return 1;
	}
	if (pid == 0) {
		setsid();
		null = open("/dev/null", O_RDWR);
		if (null >= 0) {
			dup2(null, 0);
			dup2(null, 1);
			dup2(null, 2);
		}
		return serve(se);
	}
	/* Without the child nobody answers; then the stat must fail and not hang. */
	close(fuse_session_fd(se));
	set_read_ahead(argv[4]);
	printf("%d\n", (int)pid);
	return 0;
}
