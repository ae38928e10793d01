/*
 * mount.h - one mount: what all its operations share.
 *
 * Filled before the session runs and constant from then on, except for the slots and the writable
 * mount's part, which have their own locks. Every operation gets it as the session's user data.
 */
#ifndef CK_FUSE_MOUNT_H
#define CK_FUSE_MOUNT_H

#include "fuse/fuse.h"
#include "fuse/options.h"
#include "fuse/slot.h"

#include <semaphore.h>

struct ck_rw;

struct ck_mount {
	const struct ck_options *opt;
	const char *cwd; /* where the program was started */
	const char *source; /* absolute */
	const char *mountpoint; /* absolute, or /dev/fd/N */
	struct ck_rw *rw; /* of a writable mount (rw.h); NULL: read-only, shown from the slots */
	struct ck_slots slots;
	struct ck_slot *replaced; /* the one shown before, kept for listings: see reload.h */
	uid_t uid; /* owner of all files */
	gid_t gid;
	mode_t file_mode;
	mode_t dir_mode;
	bool no_opendir; /* the kernel can do without opendir; set at INIT */
	sem_t initialised; /* posted once INIT has been seen */
	struct fuse_session *session;
};

static inline struct ck_mount *ck_mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

#endif
