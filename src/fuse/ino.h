/*
 * ino.h - what an inode number says.
 *
 *   63      40 39                          3 2  0
 *   +---------+-----------------------------+----+
 *   |  slot   |            node             |kind|
 *   +---------+-----------------------------+----+
 *
 * The slot is one opened checkpoint (slot.h), the node one of its tree's, so the tree is the inode
 * table and nothing is kept for an inode that the kernel knows. Nodes from CK_INO_SPECIAL on are
 * not the tree's: the folder .ckptfuse and the files in it.
 *
 * The mount's root is FUSE's number 1, whatever checkpoint it shows: slot 0, node 0, folder.
 *
 * Kinds stand in this order so that V.json has a lower number than V: programs that copy files by
 * inode number take the shape first. A folder that was reached as "x.d" although no variable is
 * called x has a kind of its own, since a folder may have one place in the kernel's name cache.
 */
#ifndef CK_FUSE_INO_H
#define CK_FUSE_INO_H

#include "core/tree.h"

#include "fuse/fuse.h"

enum ck_ino_kind {
	CK_INO_JSON = 0,
	CK_INO_DIR = 1,
	CK_INO_DATA = 2,
	CK_INO_ALIAS = 3, /* a folder by its second spelling */
};

#define CK_INO_SPECIAL (UINT64_C(1) << 36)
#define CK_INO_SLOTS (UINT32_C(1) << 24)

static inline fuse_ino_t ck_ino(uint32_t slot, uint64_t node, enum ck_ino_kind kind)
{
	return (uint64_t)slot << 40 | node << 3 | (uint64_t)kind;
}

static inline uint32_t ck_ino_slot(fuse_ino_t ino)
{
	return (uint32_t)(ino >> 40);
}

static inline uint64_t ck_ino_node(fuse_ino_t ino)
{
	return ino >> 3 & ((UINT64_C(1) << 37) - 1);
}

static inline enum ck_ino_kind ck_ino_kind(fuse_ino_t ino)
{
	return (enum ck_ino_kind)(ino & 7);
}

static inline bool ck_ino_is_dir(fuse_ino_t ino)
{
	return ck_ino_kind(ino) == CK_INO_DIR || ck_ino_kind(ino) == CK_INO_ALIAS;
}

static inline bool ck_ino_is_special(fuse_ino_t ino)
{
	return ck_ino_node(ino) >= CK_INO_SPECIAL;
}

#endif
