/* node.c - see node.h. */
#include "fuse/node.h"

#include "core/meta.h"
#include "core/read.h"
#include "fuse/handle.h"
#include "fuse/special.h"

#include <errno.h>

/* The path of a folder below the slot's root. A name may have any number of components, hence the
 * list of them and no recursion. */
static int path_of(const struct ck_slot *s, uint32_t node, bool alias, struct ck_buf *out)
{
	ck_auto_buf struct ck_buf chain = CK_BUF_INIT;
	struct ck_entry e = { .kind = CK_KIND_DIR };

	for (; node != s->root && node != 0; node = ck_tree_parent(s->tree, node))
		ck_buf_add(&chain, &node, sizeof(node));
	if (ck_buf_failed(&chain))
		return -ENOMEM;
	for (size_t at = chain.n; at > 0;) {
		at -= sizeof(node);
		memcpy(&e.node, chain.p + at, sizeof(node));
		ck_buf_char(out, '/');
		ck_tree_spell(s->tree, s->root, e, out);
	}
	ck_buf_str(out, alias ? ".d" : "");
	ck_buf_char(out, '\0');
	return ck_buf_failed(out) ? -ENOMEM : 0;
}

/* Makes a folder of an older slot the folder of the same path in slot `now`, whose reference it
 * takes, come what may. */
static int find_again(struct ck_mount *m, struct ck_node *n, struct ck_slot *now)
{
	ck_auto_buf struct ck_buf path = CK_BUF_INIT;
	struct ck_entry e;
	int r = 0;

	if (!ck_node_is_special(n)) {
		r = path_of(n->slot, (uint32_t)n->node, n->kind == CK_INO_ALIAS, &path);
		if (r == 0)
			r = ck_tree_find_path(now->tree, now->root, now->root, path.p, &e);
		if (r == 0 && e.kind != CK_KIND_DIR)
			r = -ENOTDIR;
		if (r == 0)
			n->node = e.node;
	}
	ck_slot_put(&m->slots, n->slot, 1);
	n->slot = now;
	n->aged = true;
	if (r == 0)
		return 0;
	ck_node_done(m, n);
	return r == -ENOMEM ? r : -ESTALE;
}

int ck_node_find(struct ck_mount *m, fuse_ino_t ino, struct ck_node *ret)
{
	struct ck_node n = { .ino = ino, .node = ck_ino_node(ino), .kind = ck_ino_kind(ino) };
	int r = 0;

	if (ino == FUSE_ROOT_ID) {
		n.slot = ck_slots_current(&m->slots);
		n.node = n.slot->root;
	} else {
		n.slot = ck_slots_get(&m->slots, ck_ino_slot(ino));
		if (!n.slot)
			return -ESTALE;
		if (!ck_slots_is_current(&m->slots, n.slot)) {
			n.aged = true;
			if (ck_ino_is_dir(ino))
				r = find_again(m, &n, ck_slots_current(&m->slots));
		}
	}
	if (r == 0)
		*ret = n;
	return r;
}

int ck_node_find_in(struct ck_mount *m, fuse_ino_t ino, uint32_t number, struct ck_node *ret)
{
	struct ck_node n = { .ino = ino, .node = ck_ino_node(ino), .kind = ck_ino_kind(ino) };
	struct ck_slot *in = ck_slots_get(&m->slots, number);
	int r = 0;

	if (!in)
		return -ESTALE;
	if (ino == FUSE_ROOT_ID) {
		n.slot = in;
		n.node = in->root;
	} else if (ck_ino_slot(ino) == number) {
		n.slot = in;
	} else {
		n.slot = ck_slots_get(&m->slots, ck_ino_slot(ino));
		if (n.slot) {
			r = find_again(m, &n, in);
		} else {
			ck_slot_put(&m->slots, in, 1);
			r = -ESTALE;
		}
	}
	if (r < 0)
		return r;
	if (!ck_slots_is_current(&m->slots, in))
		n.aged = true;
	*ret = n;
	return 0;
}

void ck_node_done(struct ck_mount *m, struct ck_node *n)
{
	ck_slot_put(&m->slots, n->slot, 1);
	n->slot = NULL;
}

struct ck_node ck_node_entry(const struct ck_node *dir, struct ck_entry e, const char *name)
{
	struct ck_node n = { .slot = dir->slot, .node = e.node, .aged = dir->aged };
	size_t len = name ? strlen(name) : 0;

	switch (e.kind) {
	case CK_KIND_JSON:
		n.kind = CK_INO_JSON;
		break;
	case CK_KIND_DATA:
		n.kind = CK_INO_DATA;
		break;
	case CK_KIND_DIR:
		n.kind = CK_INO_DIR;
		/* No component is spelt with a .d at its end, so that this is the second spelling
		 * where no variable has the name. What lies in a folder that was reached so has
		 * another place in the kernel's tree as well. */
		if (dir->kind == CK_INO_ALIAS ||
		    (ck_tree_var(dir->slot->tree, e.node) == CK_NO_VAR && len > 2 &&
		     memcmp(name + len - 2, ".d", 2) == 0))
			n.kind = CK_INO_ALIAS;
		break;
	}
	n.ino = ck_ino(dir->slot->number, n.node, n.kind);
	return n;
}

struct ck_node ck_node_special(const struct ck_node *dir, unsigned number)
{
	struct ck_node n = {
		.slot = dir->slot,
		.node = CK_INO_SPECIAL + number,
		.kind = number == 0 ? CK_INO_DIR : CK_INO_DATA,
		.aged = dir->aged,
	};

	n.ino = ck_ino(dir->slot->number, n.node, n.kind);
	return n;
}

uint32_t ck_node_var(const struct ck_node *n)
{
	if (n->node >= ck_tree_nodes(n->slot->tree) || ck_node_is_dir(n))
		return CK_NO_VAR;
	return ck_tree_var(n->slot->tree, (uint32_t)n->node);
}

static int file_size(struct ck_mount *m, const struct ck_node *n, uint64_t *ret, struct ck_err *err)
{
	uint32_t var = ck_node_var(n);

	if (ck_node_is_special(n))
		return ck_special_size(m, n, ret, err);
	if (var == CK_NO_VAR)
		return -ESTALE;
	return n->kind == CK_INO_JSON ? ck_meta_var_size(n->slot->model, var, ret, err) :
					ck_var_size(n->slot->model, var, ret, err);
}

int ck_node_attr(struct ck_mount *m, const struct ck_node *n, struct stat *ret, struct ck_err *err)
{
	struct stat st = {
		.st_ino = n->ino,
		.st_uid = m->uid,
		.st_gid = m->gid,
		.st_blksize = 4096,
		.st_mtim = n->slot->model->mtime,
		.st_ctim = n->slot->model->mtime,
		.st_atim = n->slot->model->mtime,
	};
	uint64_t size = 0;
	int r;

	if (ck_node_is_dir(n)) {
		st.st_mode = S_IFDIR | m->dir_mode;
		st.st_nlink = 2;
		if (!ck_node_is_special(n))
			st.st_nlink += ck_tree_subdirs(n->slot->tree, (uint32_t)n->node);
		if (ck_node_is_root(n))
			st.st_nlink++; /* .ckptfuse */
	} else {
		r = file_size(m, n, &size, err);
		if (r < 0)
			return r;
		st.st_mode = S_IFREG | m->file_mode;
		st.st_nlink = 1;
		st.st_size = size > INT64_MAX ? INT64_MAX : (off_t)size;
		st.st_blocks = (blkcnt_t)(size / 512 + (size % 512 != 0));
	}
	*ret = st;
	return 0;
}
