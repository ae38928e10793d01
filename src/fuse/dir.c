/*
 * dir.c - opendir, readdir, readdirplus (ops.h).
 *
 * Positions: 0 is ".", 1 is "..", 2 is .ckptfuse (in the root), and 3 + n the n-th of the tree's
 * listing; in .ckptfuse 2 + n is the n-th file. They do not depend on what was read before, so
 * that seeking works; the offset that goes with an entry is the position behind it, and above it
 * the number of the slot that is listed. So nothing is kept for an open folder, and the kernel is
 * told not to ask for opening and closing at all: walking a tree of many small folders costs half
 * the requests.
 *
 * A listing that has begun goes on with the checkpoint that it began on; from position 0 it
 * begins anew on the one that is shown now.
 */
#include "fuse/ops.h"

#include "fuse/special.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 3 /* position of the tree's listing */
#define POSITION_BITS 36 /* three for each of 2^32 nodes, and the first ones */
#define POSITION_MASK ((UINT64_C(1) << POSITION_BITS) - 1)
#define END POSITION_MASK /* behind the last entry: answered without the slot, which may be gone */

/* An answer being filled. */
struct answer {
	fuse_req_t req;
	struct ck_mount *m;
	char *p;
	size_t n, room;
	bool plus;
	bool bare; /* names only: the checkpoint is no longer the one shown */
	bool folders_only; /* attributes for folders only */
	uint64_t slot; /* the listed slot's number, at its place in an offset */
	bool full; /* an entry did not fit: the kernel will ask for the rest */
	uint64_t lookups; /* of the folder's slot, counted for the entries that came with a node */
};

void ck_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	/* The answer to this is remembered; the kernel keeps listings then as it does below. */
	if (ck_mount_of(req)->no_opendir) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->cache_readdir = true; /* reload.c has it dropped */
	fi->keep_cache = true;
	fuse_reply_open(req, fi);
}

/* False when there is no room for the entry. */
static bool add(struct answer *a, const char *name, const struct fuse_entry_param *e,
		uint64_t next)
{
	size_t left = a->room - a->n, need;
	off_t off = (off_t)(a->slot | next);

	if (a->plus)
		need = fuse_add_direntry_plus(a->req, a->p + a->n, left, name, e, off);
	else
		need = fuse_add_direntry(a->req, a->p + a->n, left, name, &e->attr, off);
	if (need > left) {
		a->full = true;
		return false;
	}
	a->n += need;
	a->lookups += a->plus && e->ino != 0;
	return true;
}

static bool add_plain(struct answer *a, const char *name, fuse_ino_t ino, mode_t type,
		      uint64_t next)
{
	struct fuse_entry_param e = { .attr = { .st_ino = ino, .st_mode = type } };

	return add(a, name, &e, next);
}

/*
 * An entry with its attributes where they are wanted and at hand. At the beginning of a listing
 * the kernel cannot know whether they are: a folder's are, as who walks a tree looks at folders,
 * while a file that is only listed should not cost an inode. They are not at hand for texts that
 * have to be made first, nor for strings, whose lengths have to be read, nor for what is damaged:
 * the kernel looks such an entry up if somebody wants to know, who gets the error, if any.
 */
static bool add_node(struct answer *a, const char *name, const struct ck_node *n, uint64_t next)
{
	uint32_t var = ck_node_var(n);
	mode_t type = ck_node_is_dir(n) ? S_IFDIR : S_IFREG;
	struct fuse_entry_param e;

	if (a->plus && !a->bare &&
	    (ck_node_is_dir(n) || (!a->folders_only && var != CK_NO_VAR &&
				   n->slot->model->vars[var].dtype != CK_DT_STRING)) &&
	    ck_entry_fill(a->m, n, &e, NULL) == 0)
		return add(a, name, &e, next);
	return add_plain(a, name, n->ino, type, next);
}

static fuse_ino_t parent_ino(const struct ck_node *dir)
{
	struct ck_entry e = { .kind = CK_KIND_DIR };

	if (ck_node_is_special(dir) || ck_node_is_root(dir))
		return FUSE_ROOT_ID;
	e.node = ck_tree_parent(dir->slot->tree, (uint32_t)dir->node);
	if (e.node == dir->slot->root)
		return FUSE_ROOT_ID;
	return ck_node_entry(dir, e, NULL).ino;
}

static void fill_special(struct answer *a, const struct ck_node *dir, uint64_t pos)
{
	const char *name;

	for (; pos < UINT32_MAX && (name = ck_special_name((unsigned)pos - 1)); pos++) {
		struct ck_node n = ck_node_special(dir, (unsigned)pos - 1);

		if (!add_node(a, name, &n, pos + 1))
			return;
	}
}

static int fill_tree(struct answer *a, const struct ck_node *dir, uint64_t pos)
{
	ck_auto_buf struct ck_buf name = CK_BUF_INIT;
	struct ck_slot *s = dir->slot;
	struct ck_entry e, next = { 0 };

	if (pos == FIRST - 1) {
		struct ck_node n = ck_node_special(dir, 0);

		if (ck_node_is_root(dir) && !add_node(a, CK_SPECIAL_NAME, &n, FIRST))
			return 0;
		pos = FIRST;
	}
	pos -= FIRST;
	for (bool more = ck_tree_list(s->tree, (uint32_t)dir->node, &pos, &e); more; e = next) {
		struct ck_node n = ck_node_entry(dir, e, NULL);

		ck_buf_clear(&name);
		ck_tree_spell(s->tree, s->root, e, &name);
		if (ck_buf_failed(&name))
			return -ENOMEM;
		pos++;
		more = ck_tree_list(s->tree, (uint32_t)dir->node, &pos, &next);
		if (!add_node(a, name.p, &n, more ? FIRST + pos : END))
			return 0;
	}
	return 0;
}

static int fill(struct answer *a, const struct ck_node *dir, uint64_t pos)
{
	if (pos == 0 && !add_plain(a, ".", dir->ino, S_IFDIR, 1))
		return 0;
	if (pos <= 1 && !add_plain(a, "..", parent_ino(dir), S_IFDIR, 2))
		return 0;
	if (pos < 2)
		pos = 2;
	if (ck_node_is_special(dir)) {
		fill_special(a, dir, pos);
		return 0;
	}
	return fill_tree(a, dir, pos);
}

/* The folder that a listing at that offset is of: at 0 the one shown now, else the one of the slot
 * that it began on. -ESTALE where that has gone. */
static int find_dir(struct ck_mount *m, fuse_ino_t ino, uint64_t off, struct ck_node *ret)
{
	struct ck_node n;
	int r = off == 0 ? ck_node_find(m, ino, &n) :
			   ck_node_find_in(m, ino, (uint32_t)(off >> POSITION_BITS), &n);

	if (r < 0)
		return r;
	if (!ck_node_is_dir(&n)) {
		ck_node_done(m, &n);
		return -ENOTDIR;
	}
	*ret = n;
	return 0;
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct answer a = { .req = req, .m = ck_mount_of(req), .room = size, .plus = plus };
	uint64_t position = (uint64_t)off & POSITION_MASK;
	struct ck_node dir;
	int r;

	if (position == END) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	r = find_dir(a.m, ino, (uint64_t)off, &dir);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	/* The kernel drops what it remembers right after a new checkpoint is shown, and waits for
	 * listings in work with that. Entries of the old one must not come in later. */
	a.bare = dir.aged || !ck_slots_is_current(&a.m->slots, dir.slot);
	a.folders_only = off == 0;
	a.slot = (uint64_t)dir.slot->number << POSITION_BITS;
	a.p = malloc(size ? size : 1);
	r = a.p ? fill(&a, &dir, position) : -ENOMEM;
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else {
		if (a.full)
			ck_slot_listing(dir.slot);
		/* Counted before the kernel has them, as it may forget them right away. */
		__atomic_add_fetch(&dir.slot->refs, a.lookups, __ATOMIC_RELAXED);
		if (fuse_reply_buf(req, a.p, a.n) < 0)
			ck_slot_put(&a.m->slots, dir.slot, a.lookups);
	}
	free(a.p);
	ck_node_done(a.m, &dir);
}

void ck_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		   struct fuse_file_info *fi)
{
	(void)fi;
	read_dir(req, ino, size, off, false);
}

void ck_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	(void)fi;
	read_dir(req, ino, size, off, true);
}
