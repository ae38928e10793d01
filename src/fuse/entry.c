/* entry.c - names and attributes: lookup, forget, getattr (ops.h). */
#include "fuse/ops.h"

#include "base/log.h"
#include "fuse/handle.h"
#include "fuse/reply.h"
#include "fuse/special.h"

#include <errno.h>
#include <limits.h>

static double attr_timeout(const struct ck_mount *m, const struct ck_node *n)
{
	return n->aged || ck_special_is_live(n) ? 0 : m->opt->attr_timeout;
}

static double entry_timeout(const struct ck_mount *m, const struct ck_node *n)
{
	return n->aged ? 0 : m->opt->entry_timeout;
}

int ck_entry_fill(struct ck_mount *m, const struct ck_node *n, struct fuse_entry_param *e,
		  struct ck_err *err)
{
	*e = (struct fuse_entry_param){
		.ino = n->ino,
		.attr_timeout = attr_timeout(m, n),
		.entry_timeout = entry_timeout(m, n),
	};
	return ck_node_attr(m, n, &e->attr, err);
}

/* The entry of a folder; -ENOENT, -EINVAL and so on. */
static int find_entry(const struct ck_node *dir, const char *name, struct ck_node *ret)
{
	size_t len = strlen(name);
	struct ck_entry e;
	unsigned number;
	int r;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (ck_node_is_special(dir)) {
		number = ck_special_find(name);
		if (!number)
			return -ENOENT;
		*ret = ck_node_special(dir, number);
		return 0;
	}
	if (ck_node_is_root(dir) && strcmp(name, CK_SPECIAL_NAME) == 0) {
		*ret = ck_node_special(dir, 0);
		return 0;
	}
	r = ck_tree_find(dir->slot->tree, dir->slot->root, (uint32_t)dir->node, ck_span(name, len),
			 &e);
	if (r < 0)
		return r;
	*ret = ck_node_entry(dir, e, name);
	if (ret->kind == CK_INO_ALIAS)
		__atomic_store_n(&ret->slot->aliased, true, __ATOMIC_RELAXED);
	return 0;
}

static void log_bad_name(const char *name)
{
	char quoted[CK_QUOTE_ROOM];

	ck_log("%s: no variable's name is spelt so: write %% as %%25, and see V.json for names",
	       ck_quote(quoted, sizeof(quoted), name, strlen(name)));
}

void ck_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_err err = CK_ERR_INIT;
	struct fuse_entry_param e;
	struct ck_node dir, n;
	int r;

	r = ck_node_find(m, parent, &dir);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	r = ck_node_is_dir(&dir) ? find_entry(&dir, name, &n) : -ENOTDIR;
	if (r == 0) {
		r = ck_entry_fill(m, &n, &e, &err);
		if (r < 0)
			ck_reply_var_err(req, n.slot, ck_node_var(&n), r, &err);
	} else if (r == -ENOENT) {
		/* Number 0 lets the kernel remember that there is no such name. */
		e = (struct fuse_entry_param){ .entry_timeout = entry_timeout(m, &dir) };
		fuse_reply_entry(req, &e);
	} else {
		if (r == -EINVAL)
			log_bad_name(name);
		fuse_reply_err(req, -r);
	}
	if (r == 0) {
		ck_slot_ref(n.slot);
		if (fuse_reply_entry(req, &e) < 0)
			ck_slot_put(&m->slots, n.slot, 1);
	}
	ck_node_done(m, &dir);
}

static void forget(struct ck_mount *m, fuse_ino_t ino, uint64_t nlookup)
{
	if (ino != FUSE_ROOT_ID)
		ck_slots_forget(&m->slots, ck_ino_slot(ino), nlookup);
}

void ck_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	forget(ck_mount_of(req), ino, nlookup);
	fuse_reply_none(req);
}

void ck_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(ck_mount_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

void ck_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_err err = CK_ERR_INIT;
	struct ck_node n;
	struct stat st;
	int r;

	(void)fi;
	r = ck_node_find(m, ino, &n);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	/* A file of a checkpoint that is no longer shown exists for those who have it open. To all
	 * others ESTALE says to look its name up again. */
	if (n.aged && !ck_node_is_dir(&n) && !ck_handle_is_open(n.slot, ino)) {
		fuse_reply_err(req, ESTALE);
	} else {
		r = ck_node_attr(m, &n, &st, &err);
		if (r < 0)
			ck_reply_var_err(req, n.slot, ck_node_var(&n), r, &err);
		else
			fuse_reply_attr(req, &st, attr_timeout(m, &n));
	}
	ck_node_done(m, &n);
}
