/*
 * rw.h - a writable mount: what its operations share, and the operations.
 *
 * A mount is either read-only, served from slots by the files named after what they do (file.c,
 * dir.c ...), or writable, served from the saver's stage by the files named rw_*. They share the
 * program around them, and no operation.
 *
 * The kernel is told to remember neither names nor attributes, since files change each other here
 * (V.json has V's size in it). It keeps pages of V and of scratch files, which nobody but it writes
 * to; V.json and the files of .ckptfuse are direct_io, and so is a handle that can only write,
 * where the kernel keeps its pages right about that (rw.c).
 *
 * Inode numbers are the stage's, but for .ckptfuse and what is in it (rw_special.h).
 */
#ifndef CK_FUSE_RW_H
#define CK_FUSE_RW_H

#include "base/progress.h"
#include "fuse/mount.h"
#include "fuse/publisher.h"
#include "fuse/reply.h"
#include "fuse/rw_open.h"
#include "saver/stage.h"

struct ck_rw {
	struct ck_stage *stage;
	char *folder; /* where it is published to, for statfs; absolute */
	struct timespec opened;
	bool direct_writes; /* the kernel can write past its pages and keep them right */
	struct ck_rw_opens opens;
	struct ck_publisher publisher;
	pthread_mutex_t meter_lock;
	struct ck_meter *meter; /* of long work that is being done, under its lock; else NULL */
};

static inline struct ck_rw *ck_rw_of(fuse_req_t req)
{
	return ck_mount_of(req)->rw;
}

/* Long work shows on the terminal, if there is one, how far it is: from begin, whose meter lives
 * until end, what the stage says (ck_rw_show_progress) is shown. */
void ck_rw_begin_progress(struct ck_rw *rw, struct ck_meter *meter);
void ck_rw_end_progress(struct ck_rw *rw);
void ck_rw_show_progress(void *rw, const char *what, uint64_t done, uint64_t total);

/* Logs what the stage has to tell, if it is new. */
void ck_rw_tell_news(struct ck_rw *rw);

/* Publishes, with progress. flags: CK_PUBLISH_*. */
int ck_rw_publish(struct ck_rw *rw, unsigned flags, struct ck_err *err);

/* Drops what text names: a line each, a path as it is shown or a variable's name; all where it is
 * blank or 1, y, yes, all, * and nothing of that name is staged. Every failure is logged; the first
 * one is the answer. */
int ck_rw_discard(struct ck_mount *m, const char *text);

/* rw.c: the whole table. */
void ck_rw_ops_fill(struct fuse_lowlevel_ops *ops);

/* rw_entry.c */
void ck_rw_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void ck_rw_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void ck_rw_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void ck_rw_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ck_rw_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set,
		   struct fuse_file_info *fi);

/* rw_dir.c */
void ck_rw_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ck_rw_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		   struct fuse_file_info *fi);
void ck_rw_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ck_rw_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* rw_file.c */
void ck_rw_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ck_rw_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		  struct fuse_file_info *fi);
void ck_rw_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ck_rw_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t size, off_t off,
		 struct fuse_file_info *fi);
void ck_rw_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ck_rw_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void ck_rw_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* rw_range.c */
void ck_rw_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		     struct fuse_file_info *fi);
void ck_rw_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void ck_rw_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_off,
			   struct fuse_file_info *from_fi, fuse_ino_t to, off_t to_off,
			   struct fuse_file_info *to_fi, size_t n, int flags);

/* rw_name.c */
void ck_rw_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev);
void ck_rw_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void ck_rw_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void ck_rw_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void ck_rw_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		  const char *newname, unsigned int flags);
void ck_rw_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void ck_rw_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);

/* rw_xattr.c */
void ck_rw_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void ck_rw_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void ck_rw_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
		    size_t size, int flags);
void ck_rw_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

#endif
