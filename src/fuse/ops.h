/*
 * ops.h - the requests that the room's files answer, put together in ops.c.
 *
 * Every function is called by any of the session's threads, at once with all others, and answers
 * its request exactly once: where sending an answer fails, the kernel has given the request up.
 */
#ifndef CK_FUSE_OPS_H
#define CK_FUSE_OPS_H

#include "fuse/mount.h"

/* ops.c: the whole table of a read-only mount; a writable one has its own (rw.h). */
void ck_ops_fill(struct fuse_lowlevel_ops *ops);

/* INIT, as every mount has it. */
void ck_ops_init(void *userdata, struct fuse_conn_info *conn);

/* file.c */
void ck_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ck_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ck_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* dir.c */
void ck_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ck_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		   struct fuse_file_info *fi);
void ck_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi);

/* xattr.c */
void ck_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void ck_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);

/* rofs.c: sets every operation that would change something to one that answers EROFS. */
void ck_ops_refuse_writes(struct fuse_lowlevel_ops *ops);

/* entry.c */
void ck_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void ck_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void ck_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void ck_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

struct ck_node;

/* What the kernel is told of a node, with attributes and how long it may remember them. */
int ck_entry_fill(struct ck_mount *m, const struct ck_node *n, struct fuse_entry_param *e,
		  struct ck_err *err);

#endif
