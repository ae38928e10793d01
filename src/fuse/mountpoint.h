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

struct ck_location;

struct ck_mountpoint {
	char *path; /* real, or /dev/fd/N */
	bool by_default; /* MOUNTPOINT was left out */
	bool passed; /* /dev/fd/N: somebody else has mounted it */
	bool created; /* by us, and so removed by us */
};

/*
 * Where it is going to be. typed: MOUNTPOINT as the user gave it, or NULL; source: SOURCE as typed;
 * where: what that leads to; cwd: where the program was started. Nothing is looked at or made yet.
 * *ret is empty on failure.
 */
int ck_mountpoint_choose(const char *typed, const char *source, const char *cwd,
			 const struct ck_location *where, struct ck_mountpoint *ret,
			 struct ck_err *err);

/*
 * Clears it, makes it, checks it. model: what SOURCE led to; written: other files that the program
 * is going to write, up to a NULL. Errors: CK_MOUNT, and CK_BUSY where a checkpoint is mounted
 * there already. ck_mountpoint_done() in any case.
 */
int ck_mountpoint_prepare(struct ck_mountpoint *mp, const char *source,
			  const struct ck_location *where, const struct ck_model *model,
			  const char *const *written, struct ck_err *err);

/* Removes the folder if it was created; for after the unmount. */
void ck_mountpoint_done(struct ck_mountpoint *mp);

#endif
