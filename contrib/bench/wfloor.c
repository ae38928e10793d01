/*
 * wfloor.c - the least that a libfuse program can do to be written to: one file, "v", that is a
 * byte range of another. What kernel settings are worth for "cp" is measured with it, and what a
 * write costs beyond it is ckptfuse's own work.
 *
 *     wfloor FILE OFFSET MOUNTPOINT [SETTING...]     prints the daemon's pid
 *
 *     direct      who only writes does so past the kernel's pages (FOPEN_DIRECT_IO)
 *     writeback   the kernel writes when it likes (FUSE_CAP_WRITEBACK_CACHE)
 *     splice      bytes come through a pipe, and go on from there
 *     small       requests of at most 128 KiB, not 1 MiB
 *     single      one thread
 *     clone       a device handle for each thread
 *     killpriv    what a write does to a file's modes is our business (FUSE_CAP_HANDLE_KILLPRIV)
 *     ahead       every 8 MiB the disk is told to begin
 *     allocate    the place on the disk is reserved when the file is opened
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_BYTES (1u << 20)
#define SMALL_BYTES (128u << 10)
#define AHEAD ((off_t)8 << 20)
#define ALLOCATE ((off_t)1 << 30)
#define INO_FILE 2

static int backing;
static off_t begin, size, ahead; /* of the file; ahead: up to where the disk was told */
static bool direct, writeback, piped, small, single, clone_fd, tell, allocate,
	killpriv;

static const struct {
	const char *name;
	bool *flag;
} settings[] = {
	{ "direct", &direct }, { "writeback", &writeback }, { "splice", &piped },
	{ "small", &small },   { "single", &single },	    { "clone", &clone_fd },
	{ "ahead", &tell },    { "allocate", &allocate }, { "killpriv", &killpriv },
};

static void fill_stat(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_mode = ino == INO_FILE ? S_IFREG | 0644 : S_IFDIR | 0755;
	st->st_nlink = ino == INO_FILE ? 1 : 2;
	st->st_size = ino == INO_FILE ? __atomic_load_n(&size, __ATOMIC_RELAXED) : 0;
}

static void op_init(void *arg, struct fuse_conn_info *conn)
{
	const unsigned spliced = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_MOVE;

	(void)arg;
	conn->max_read = REQUEST_BYTES;
	conn->max_write = small ? SMALL_BYTES : REQUEST_BYTES;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->want &= ~(spliced | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_AUTO_INVAL_DATA);
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
	if (piped)
		conn->want |= conn->capable & spliced;
	if (killpriv)
		conn->want |= conn->capable & FUSE_CAP_HANDLE_KILLPRIV;
	if (writeback)
		conn->want |= conn->capable & FUSE_CAP_WRITEBACK_CACHE;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = INO_FILE };

	if (parent != FUSE_ROOT_ID || strcmp(name, "v") != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_stat(INO_FILE, &e.attr);
	fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_stat(ino, &st);
	fuse_reply_attr(req, &st, 0);
}

/* truncate() before "cp" writes; times and modes are taken and forgotten. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	if (to_set & FUSE_SET_ATTR_SIZE)
		__atomic_store_n(&size, attr->st_size, __ATOMIC_RELAXED);
	op_getattr(req, ino, fi);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino != INO_FILE) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	if (fi->flags & O_TRUNC) {
		__atomic_store_n(&size, 0, __ATOMIC_RELAXED);
		ahead = 0;
		if (allocate && fallocate(backing, 0, begin, ALLOCATE) < 0) {
			fuse_reply_err(req, errno);
			return;
		}
	}
	fi->direct_io = direct && (fi->flags & O_ACCMODE) == O_WRONLY;
	fuse_reply_open(req, fi);
}

static void written(off_t end)
{
	if (end > __atomic_load_n(&size, __ATOMIC_RELAXED))
		__atomic_store_n(&size, end, __ATOMIC_RELAXED);
	if (tell && end - ahead >= AHEAD) {
		sync_file_range(backing, begin + ahead, end - ahead, SYNC_FILE_RANGE_WRITE);
		ahead = end;
	}
}

static void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *from, off_t off,
			 struct fuse_file_info *fi)
{
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(fuse_buf_size(from));
	ssize_t n;

	(void)ino;
	(void)fi;
	to.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	to.buf[0].fd = backing;
	to.buf[0].pos = begin + off;
	n = fuse_buf_copy(&to, from, piped ? FUSE_BUF_SPLICE_MOVE : FUSE_BUF_NO_SPLICE);
	if (n < 0) {
		fuse_reply_err(req, (int)-n);
		return;
	}
	written(off + n);
	fuse_reply_write(req, (size_t)n);
}

/* Before each write the kernel asks for a file's capabilities. */
static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t n)
{
	(void)ino;
	(void)name;
	(void)n;
	fuse_reply_err(req, ENODATA);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, fdatasync(backing) < 0 ? errno : 0);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.open = op_open,
	.write_buf = op_write_buf,
	.getxattr = op_getxattr,
	.fsync = op_fsync,
};

static int serve(struct fuse_session *se)
{
	struct fuse_loop_config *cfg;
	int r;

	if (single) {
		r = fuse_session_loop(se);
	} else {
		cfg = fuse_loop_cfg_create();
		if (!cfg)
			return 1;
		fuse_loop_cfg_set_clone_fd(cfg, clone_fd);
		r = fuse_session_loop_mt(se, cfg);
		fuse_loop_cfg_destroy(cfg);
	}
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return r ? 1 : 0;
}

static int take_settings(int argc, char **argv)
{
	for (int i = 4; i < argc; i++) {
		bool known = false;

		for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
			if (strcmp(argv[i], settings[k].name) == 0)
				*settings[k].flag = known = true;
		}
		if (!known)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se;
	struct stat st;
	pid_t pid;
	int null;

	if (argc < 4 || take_settings(argc, argv) < 0) {
		fprintf(stderr, "usage: wfloor FILE OFFSET MOUNTPOINT [SETTING...]\n");
		return 2;
	}
	begin = strtoll(argv[2], NULL, 0);
	backing = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (backing < 0) {
		perror(argv[1]);
		return 1;
	}
	if (fuse_opt_add_arg(&args, "wfloor") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, "nosuid,nodev,fsname=wfloor,subtype=wfloor,max_read=1048576"))
		return 1;
	se = fuse_session_new(&args, &ops, sizeof ops, NULL);
	if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, argv[3]))
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
	if (stat(argv[3], &st) < 0)
		perror(argv[3]);
	printf("%d\n", (int)pid);
	return 0;
}
