/*
 * node.h - from an inode number to what it stands for now, and its attributes.
 *
 * Files belong to the checkpoint that they were looked up in. Folders outlive it: a shell that
 * stands in a folder while the source is replaced expects the new files there, so a folder of an
 * older slot means the folder of the same path in the current one.
 *
 * All functions may be called by many threads at once.
 */
#ifndef CK_FUSE_NODE_H
#define CK_FUSE_NODE_H

#include "fuse/mount.h"

struct ck_node {
	struct ck_slot *slot; /* referenced: ck_node_done() */
	fuse_ino_t ino; /* as the kernel knows it */
	uint64_t node; /* in slot; CK_INO_SPECIAL and up: of .ckptfuse */
	enum ck_ino_kind kind;
	bool aged; /* ino is of an older slot: tell the kernel to remember nothing */
};

/* 0, or -ESTALE where there is no such thing any more. */
int ck_node_find(struct ck_mount *m, fuse_ino_t ino, struct ck_node *ret);
/* The same for a folder, in the checkpoint of that slot instead of the current one. */
int ck_node_find_in(struct ck_mount *m, fuse_ino_t ino, uint32_t number, struct ck_node *ret);
void ck_node_done(struct ck_mount *m, struct ck_node *n);

/* An entry of a folder as a node, which borrows the folder's slot. name: how it was asked for, or
 * NULL for its first spelling. */
struct ck_node ck_node_entry(const struct ck_node *dir, struct ck_entry e, const char *name);
/* The same for .ckptfuse (number 0) and the files in it (special.h). */
struct ck_node ck_node_special(const struct ck_node *dir, unsigned number);

/* The variable whose V or V.json it is, or CK_NO_VAR. */
uint32_t ck_node_var(const struct ck_node *n);

static inline bool ck_node_is_dir(const struct ck_node *n)
{
	return n->kind == CK_INO_DIR || n->kind == CK_INO_ALIAS;
}

static inline bool ck_node_is_special(const struct ck_node *n)
{
	return n->node >= CK_INO_SPECIAL;
}

/* Whether it is the folder that the mount shows as its root. */
static inline bool ck_node_is_root(const struct ck_node *n)
{
	return n->node == n->slot->root && ck_node_is_dir(n);
}

/* The errors of V's size name the variable. */
int ck_node_attr(struct ck_mount *m, const struct ck_node *n, struct stat *ret, struct ck_err *err);

#endif
