/*
 * fuse.h - the one place that says which FUSE interface this room is written to.
 *
 * Every file of the room that talks to libfuse includes this instead of the library's header, so
 * that no two of them can see different versions of the same structures.
 */
#ifndef CK_FUSE_FUSE_H
#define CK_FUSE_FUSE_H

#define FUSE_USE_VERSION 314

#include <fuse_lowlevel.h>

/* The largest read that the kernel asks for, and so the largest answer. libfuse 3.14 cannot take
 * more than this from the device. */
#define CK_MAX_READ (1u << 20)

#endif
