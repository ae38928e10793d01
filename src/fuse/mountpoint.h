/*
 * mountpoint.h - the folder to mount on: chosen, made, checked, and removed again.
 *
 * A mount point that holds the source or lies in it is refused, because the daemon would come to
 * read its own mount. What a dead daemon left mounted there is taken away first. Called before
 * the daemon has threads, and at its end.
 */
#ifndef CK_FUSE_MOUNTPOINT_H
#define CK_FUSE_MOUNTPOINT_H

#include "model/model.h"

struct ck_mountpoint {
	char *path; /* real, or /dev/fd/N */
	bool passed; /* /dev/fd/N: somebody else has mounted it */
	bool created; /* by us, and so removed by us */
};

/*
 * typed: MOUNTPOINT as the user gave it, or NULL; source: SOURCE as typed; cwd: where the program
 * was started; model: what SOURCE led to. *ret is empty on failure. Errors: CK_MOUNT, and CK_BUSY
 * where a checkpoint is mounted there already.
 */
int ck_mountpoint_prepare(const char *typed, const char *source, const char *cwd,
			  const struct ck_model *model, struct ck_mountpoint *ret,
			  struct ck_err *err);

/* Removes the folder if it was created; for after the unmount. */
void ck_mountpoint_done(struct ck_mountpoint *mp);

#endif
