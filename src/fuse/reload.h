/*
 * reload.h - the source looked at again, on SIGHUP.
 *
 * Called by the signal thread only: the kernel answers some of the notifications only after the
 * requests in work, so that they may not be sent from one.
 */
#ifndef CK_FUSE_RELOAD_H
#define CK_FUSE_RELOAD_H

#include "fuse/mount.h"

/* Shows the new checkpoint where the source was replaced. Failing that, the old one stays and the
 * log says why. The one replaced is kept in m->replaced where some folder of it is being listed,
 * so that the listing can end as it began. */
void ck_reload(struct ck_mount *m);

/* CK_SLOT_LISTING_SECONDS later: gives the replaced one back, if there is any. */
void ck_reload_settle(struct ck_mount *m);

#endif
