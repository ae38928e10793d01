/* readahead.h - how far the kernel reads ahead on the mount. */
#ifndef CK_FUSE_READAHEAD_H
#define CK_FUSE_READAHEAD_H

#include <sys/types.h>

/* Raises the mount's window to 1 MiB, where that is permitted (root); says nothing where not.
 * The kernel offers 128 KiB to every FUSE file system and takes no more in answer, so that this
 * is the only way. dev: the mount's device number. */
void ck_readahead_raise(dev_t dev);

#endif
