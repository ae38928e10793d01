/*
 * handle.h - what an open file holds on to.
 *
 * A handle keeps its slot, and so its checkpoint, alive until it is closed. Files that are texts
 * (V.json, those of .ckptfuse) carry theirs.
 */
#ifndef CK_FUSE_HANDLE_H
#define CK_FUSE_HANDLE_H

#include "fuse/mount.h"

struct ck_node;

struct ck_handle {
	uint32_t refs; /* atomic: one for being open, one for each read in work */
	struct ck_slot *slot; /* referenced */
	fuse_ino_t ino;
	uint32_t var; /* of V and V.json, else CK_NO_VAR */
	uint64_t size; /* of V */
	uint64_t node; /* see ck_node */
	enum ck_ino_kind kind;
	struct ck_buf text;
	pthread_mutex_t lock; /* for text, where it may change */
	struct ck_handle *prev, *next; /* the slot's list, under its lock */
};

/* A handle on the node, in its slot's list. It takes over the node's reference to the slot
 * (n->slot is NULL then). */
struct ck_handle *ck_handle_new(struct ck_node *n);
/* The kernel may release a handle as soon as it has the last answer about it, which is before the
 * call that sends the answer has returned. Who needs the handle during or after that call holds
 * it meanwhile. */
void ck_handle_ref(struct ck_handle *h);
void ck_handle_unref(struct ck_mount *m, struct ck_handle *h);

/* At the end of the mount: those that the kernel did not get to release. */
void ck_handle_free_all(struct ck_slot *slot);

/* Whether some program has a file of that inode number open. */
bool ck_handle_is_open(struct ck_slot *slot, fuse_ino_t ino);

static inline struct ck_handle *ck_handle_of(const struct fuse_file_info *fi)
{
	return (struct ck_handle *)(uintptr_t)fi->fh;
}

#endif
