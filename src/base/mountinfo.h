/* mountinfo.h - what is mounted where, by /proc/self/mountinfo. */
#ifndef CK_BASE_MOUNTINFO_H
#define CK_BASE_MOUNTINFO_H

#include <stdbool.h>

struct ck_mounted {
	char *type; /* "fuse.ckptfuse" */
	char *source;
};

/* The topmost mount on exactly this real path. False where there is none, or no /proc. */
bool ck_mountinfo_find(const char *real, struct ck_mounted *ret);
void ck_mounted_done(struct ck_mounted *m);

#endif
