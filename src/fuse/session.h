/*
 * session.h - one FUSE session: mounted, served until its end, unmounted.
 */
#ifndef CK_FUSE_SESSION_H
#define CK_FUSE_SESSION_H

#include "fuse/daemon.h"
#include "fuse/mount.h"

/* Returns when the mount is gone. passed: m->mountpoint is /dev/fd/N. Tells d when the mount is
 * usable; failure is left to the caller to tell. */
int ck_session_run(struct ck_mount *m, bool passed, struct ck_daemon *d, struct ck_err *err);

#endif
