/*
 * reload.c - see reload.h.
 *
 * The new slot is made current first and the kernel's memory is cleared afterwards. A lookup in
 * the root holds that folder's lock while it is in work, and so does the clearing of an entry:
 * what was answered from the old slot is in the kernel's cache before it is cleared, and what is
 * asked later is answered from the new one.
 *
 * Clearing an entry of the root drops all that the kernel knows below it, as far as it is not in
 * use. Files in use are told one by one. Folders in use (some program's current one) keep working
 * by their path (node.h); they lose their names and attributes.
 *
 * Gap: names looked up from within such a folder stay in the kernel's cache, checked at every use,
 * until it needs the memory or the mount ends. They keep the slot that they were found in.
 */
#include "fuse/reload.h"

#include "base/log.h"
#include "fuse/handle.h"
#include "fuse/path.h"
#include "fuse/special.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(struct ck_mount *m, const struct ck_slot *s)
{
	const struct ck_source *index = s->model->index;
	const struct stat *then = index ? ck_source_stat(index) : NULL;
	char *path = index ? ck_path_absolute(m->cwd, ck_source_path(index)) : NULL;
	struct stat now;
	bool same = false;

	if (path && stat(path, &now) == 0)
		same = now.st_dev == then->st_dev && now.st_ino == then->st_ino &&
		       now.st_size == then->st_size && same_time(now.st_mtim, then->st_mtim);
	free(path);
	return same;
}

/* The kernel says ENOENT where it does not know the folder or the name, which is as good. */
static void forget_name(struct ck_mount *m, struct ck_slot *s, uint64_t parent,
			const struct ck_buf *name)
{
	bool root = parent == s->root;
	fuse_ino_t ino = root ? FUSE_ROOT_ID : ck_ino(s->number, parent, CK_INO_DIR);

	if (ck_buf_failed(name))
		return;
	fuse_lowlevel_notify_inval_entry(m->session, ino, name->p, name->n);
	if (!root && __atomic_load_n(&s->aliased, __ATOMIC_RELAXED))
		fuse_lowlevel_notify_inval_entry(m->session,
						 ck_ino(s->number, parent, CK_INO_ALIAS), name->p,
						 name->n);
}

/* An entry of the tree by its name, and by its second one if it has two. */
static void forget_entry(struct ck_mount *m, struct ck_slot *s, uint32_t parent, struct ck_entry e)
{
	ck_auto_buf struct ck_buf name = CK_BUF_INIT;

	ck_tree_spell(s->tree, s->root, e, &name);
	forget_name(m, s, parent, &name);
	if (e.kind != CK_KIND_DIR || ck_tree_var(s->tree, e.node) != CK_NO_VAR)
		return;
	ck_buf_str(&name, ".d");
	forget_name(m, s, parent, &name);
}

/* All names that lie in the root. Those of the new checkpoint may be known not to exist. */
static void forget_root(struct ck_mount *m, struct ck_slot *s)
{
	struct ck_entry e;

	for (uint64_t pos = 0; ck_tree_list(s->tree, s->root, &pos, &e); pos++)
		forget_entry(m, s, s->root, e);
}

/* Those that are left after the root's: folders in use, and what they lie in. */
static void forget_folders(struct ck_mount *m, struct ck_slot *s)
{
	struct ck_entry e = { .kind = CK_KIND_DIR };

	for (uint32_t n = ck_tree_nodes(s->tree); n-- > 1;) {
		if (!ck_tree_is_dir(s->tree, n))
			continue;
		e.node = n;
		fuse_lowlevel_notify_inval_inode(m->session, ck_ino(s->number, n, CK_INO_DIR), -1,
						 0);
		if (__atomic_load_n(&s->aliased, __ATOMIC_RELAXED))
			fuse_lowlevel_notify_inval_inode(m->session,
							 ck_ino(s->number, n, CK_INO_ALIAS), -1, 0);
		if (n != s->root && ck_tree_parent(s->tree, n) != s->root)
			forget_entry(m, s, ck_tree_parent(s->tree, n), e);
	}
}

/* Without a name, so that the kernel forgets them when they are closed. */
static void forget_file(struct ck_mount *m, struct ck_slot *s, fuse_ino_t ino)
{
	ck_auto_buf struct ck_buf name = CK_BUF_INIT;
	uint64_t node = ck_ino_node(ino);
	struct ck_entry e = { .node = (uint32_t)node, .kind = CK_KIND_DATA };
	const char *special;

	fuse_lowlevel_notify_inval_inode(m->session, ino, -1, 0);
	if (ck_ino_is_special(ino)) {
		special = ck_special_name((unsigned)(node - CK_INO_SPECIAL));
		ck_buf_str(&name, special ? special : "");
		forget_name(m, s, CK_INO_SPECIAL, &name);
		return;
	}
	if (ck_ino_kind(ino) == CK_INO_JSON)
		e.kind = CK_KIND_JSON;
	forget_entry(m, s, ck_tree_parent(s->tree, e.node), e);
}

static void forget_files_in_use(struct ck_mount *m, struct ck_slot *s)
{
	ck_auto_buf struct ck_buf inos = CK_BUF_INIT;
	fuse_ino_t ino;

	pthread_mutex_lock(&s->lock);
	for (struct ck_handle *h = s->handles; h; h = h->next)
		ck_buf_add(&inos, &h->ino, sizeof(h->ino));
	pthread_mutex_unlock(&s->lock);
	for (size_t at = 0; !ck_buf_failed(&inos) && at < inos.n; at += sizeof(ino)) {
		memcpy(&ino, inos.p + at, sizeof(ino));
		forget_file(m, s, ino);
	}
}

static void forget_all(struct ck_mount *m, struct ck_slot *old, struct ck_slot *now)
{
	fuse_lowlevel_notify_inval_entry(m->session, FUSE_ROOT_ID, CK_SPECIAL_NAME,
					 sizeof(CK_SPECIAL_NAME) - 1);
	forget_root(m, old);
	forget_root(m, now);
	forget_folders(m, old);
	forget_files_in_use(m, old);
	fuse_lowlevel_notify_inval_inode(m->session, FUSE_ROOT_ID, 0, 0);
}

void ck_reload(struct ck_mount *m)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_slot *old = ck_slots_current(&m->slots), *now;
	bool same = is_unchanged(m, old);

	ck_slot_put(&m->slots, old, 1);
	if (same)
		return;
	if (ck_slot_open(m->source, m->cwd, m->opt, &now, &err) < 0) {
		ck_log("%s (still showing the checkpoint that was mounted)", err.text);
		return;
	}
	ck_slots_show(&m->slots, now, &old);
	forget_all(m, old, now);
	ck_reload_settle(m);
	if (ck_slot_in_listing(old))
		m->replaced = old;
	else
		ck_slot_put(&m->slots, old, 1);
	ck_log("%s: was replaced: showing the new checkpoint", m->source);
}

void ck_reload_settle(struct ck_mount *m)
{
	if (m->replaced)
		ck_slot_put(&m->slots, m->replaced, 1);
	m->replaced = NULL;
}
