/* rw_mount.h - a writable mount from its beginning to its end. */
#ifndef CK_FUSE_RW_MOUNT_H
#define CK_FUSE_RW_MOUNT_H

#include "fuse/daemon.h"
#include "fuse/mount.h"

/* Opens the checkpoint for editing, mounts it, serves it to the end, publishes. */
int ck_rw_mount(struct ck_mount *m, struct ck_daemon *d, struct ck_err *err);

#endif
