/*
 * lookup.c - what a name in a folder means: the entries first, then the opened tree.
 *
 * An entry decides about its very name. V.json has none of its own: it is there where V is a
 * variable with metadata. A folder x may also be reached as x.d where no variable is called x.
 */
#include "saver/stage_private.h"

#include <errno.h>
#include <limits.h>

bool ck_is_json_name(const char *name, size_t *base_len)
{
	size_t n = strlen(name);

	if (n <= 5 || strcmp(name + n - 5, ".json") != 0 || ck_name_is_scratch(name))
		return false;
	*base_len = n - 5;
	return true;
}

static bool ends_in_d(const char *name, size_t len)
{
	return len > 2 && name[len - 2] == '.' && name[len - 1] == 'd';
}

/* The V.json of the variable whose file is called name[0 ... len). */
static int find_json(const struct ck_stage *s, const struct ck_snode *dir, const char *name,
		     size_t len, struct ck_found *ret)
{
	struct ck_sentry *e = dir ? ck_sentry_find(s, dir, name, len) : NULL;

	if (!e)
		return 1;
	/* A variable that became a scratch file keeps its metadata, should it come back. */
	if (e->node && ck_name_is_scratch(e->name))
		return -ENOENT;
	if (e->node && !e->node->is_dir && e->node->now.meta && !e->node->json_hidden) {
		*ret = (struct ck_found){ CK_STAGE_JSON, e->node, CK_NO_NODE, e };
		return 0;
	}
	if (!e->node && e->ghost) {
		*ret = (struct ck_found){ CK_STAGE_GHOST, NULL, CK_NO_NODE, e };
		return 0;
	}
	return e->node && e->node->is_dir ? 1 : -ENOENT;
}

/* The entry of that very name. */
static int find_entry(struct ck_sentry *e, struct ck_found *ret)
{
	if (!e->node)
		return -ENOENT;
	if (!e->node->is_dir && !e->node->now.content)
		return -ENOENT; /* only its V.json is there */
	*ret = (struct ck_found){ e->node->is_dir ? CK_STAGE_DIR : CK_STAGE_DATA, e->node,
				  CK_NO_NODE, e };
	return 0;
}

/* A folder by its second spelling. */
static int find_alias(const struct ck_stage *s, const struct ck_snode *dir, const char *name,
		      size_t len, struct ck_found *ret)
{
	struct ck_sentry *e;

	if (!dir || !ends_in_d(name, len))
		return 1;
	e = ck_sentry_find(s, dir, name, len - 2);
	if (!e || !e->node || !e->node->is_dir)
		return 1;
	*ret = (struct ck_found){ CK_STAGE_ALIAS, e->node, CK_NO_NODE, e };
	return 0;
}

/* The opened tree's answer, unless an entry stands over it. */
static int find_base(const struct ck_stage *s, const struct ck_snode *dir, uint32_t base,
		     const char *name, size_t len, struct ck_found *ret)
{
	static const enum ck_stage_kind kinds[] = {
		[CK_KIND_JSON] = CK_STAGE_JSON,
		[CK_KIND_DIR] = CK_STAGE_DIR,
		[CK_KIND_DATA] = CK_STAGE_DATA,
	};
	struct ck_buf ck_auto_buf spelt = CK_BUF_INIT;
	struct ck_entry te;
	struct ck_sentry *e;
	int r = ck_tree_find(s->tree, s->root_base, base, ck_span(name, len), &te);

	if (r < 0)
		return r;
	*ret = (struct ck_found){ kinds[te.kind], NULL, te.node, NULL };
	if (te.kind == CK_KIND_DIR) {
		ck_tree_spell(s->tree, s->root_base, te, &spelt);
		if (ck_buf_failed(&spelt))
			return -ENOMEM;
		if (spelt.n != len || memcmp(spelt.p, name, len) != 0)
			ret->kind = CK_STAGE_ALIAS;
	}
	if (!dir)
		return 0;
	/* By its first spelling: what is asked for by another may have been edited under it. */
	if (te.kind == CK_KIND_JSON)
		len -= 5;
	e = ret->kind == CK_STAGE_ALIAS ? ck_sentry_find(s, dir, spelt.p, spelt.n) :
					  ck_sentry_find(s, dir, name, len);
	if (e)
		return -ENOENT; /* it was found as an entry, or is gone */
	ret->node = ck_snode_by_id(s, te.node, te.kind == CK_KIND_DIR);
	return ret->node ? -ENOENT : 0; /* moved away */
}

/* Right spellings that mean nothing here are -ENOENT, wrong ones are told so. */
static int nobody(const struct ck_stage *s, const struct ck_snode *dir, const char *name)
{
	struct ck_buf ck_auto_buf base = CK_BUF_INIT;
	size_t len = strlen(name), n = len > 4 ? 4 : 0;

	if (ck_name_is_scratch(name))
		return -ENOENT;
	/* A name that ends like a view, or V.json, is right if what stands before that is. */
	if (ck_is_json_name(name, &n))
		n = len - n;
	else if (strcmp(name + len - n, ".npy") != 0 && strcmp(name + len - n, ".txt") != 0)
		n = 0;
	ck_buf_add(&base, name, len - n);
	if (ck_buf_failed(&base) || !base.p)
		return -ENOENT;
	return ck_name_check(s, dir, base.p, false, NULL) == -EINVAL &&
			       ck_name_check(s, dir, base.p, true, NULL) == -EINVAL ?
		       -EINVAL : -ENOENT;
}

int ck_sfind(const struct ck_stage *s, const struct ck_snode *dir, uint32_t base,
	     const char *name, size_t len, struct ck_found *ret)
{
	struct ck_sentry *e;
	size_t base_len;
	int r;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	e = dir ? ck_sentry_find(s, dir, name, len) : NULL;
	if (e && (r = find_entry(e, ret)) != -ENOENT)
		return r;
	if (ck_is_json_name(name, &base_len)) {
		r = find_json(s, dir, name, base_len, ret);
		if (r <= 0)
			return r;
	}
	if (!e || !e->node) {
		r = find_alias(s, dir, name, len, ret);
		if (r <= 0)
			return r;
	}
	if (dir)
		base = dir->base;
	if (e || base == CK_NO_NODE)
		return e ? -ENOENT : nobody(s, dir, name);
	if (ck_name_is_scratch(name) && !ends_in_d(name, len)) {
		r = find_base(s, dir, base, name, len, ret);
		return r == -EINVAL ? -ENOENT : r; /* a scratch file may be called so */
	}
	return find_base(s, dir, base, name, len, ret);
}

int ck_sfind_dir(const struct ck_stage *s, uint64_t ino, struct ck_snode **node, uint32_t *base)
{
	uint64_t id = ino >> 3;
	unsigned kind = ino & 7;

	if (ino == CK_STAGE_ROOT) {
		*node = s->root;
		*base = s->root_base;
		return 0;
	}
	if (kind != CK_STAGE_DIR && kind != CK_STAGE_ALIAS)
		return -ENOTDIR;
	*node = ck_snode_by_id(s, id, true);
	*base = CK_NO_NODE;
	if (*node)
		return (*node)->entry ? 0 : -ENOENT;
	if (id >= ck_tree_nodes(s->tree) || !ck_tree_is_dir(s->tree, (uint32_t)id))
		return -ESTALE;
	*base = (uint32_t)id;
	return 0;
}

int ck_dir_node(struct ck_stage *s, uint64_t ino, struct ck_snode **ret, struct ck_err *err)
{
	uint32_t base;
	int r = ck_sfind_dir(s, ino, ret, &base);

	if (r == 0 && !*ret)
		r = ck_snode_materialize(s, base, true, ret, err);
	return r;
}

int ck_found_node(struct ck_stage *s, const struct ck_found *f, struct ck_snode **ret,
		  struct ck_err *err)
{
	if (f->node) {
		*ret = f->node;
		return 0;
	}
	if (f->base == CK_NO_NODE)
		return -ENOENT;
	return ck_snode_materialize(s, f->base,
				    f->kind == CK_STAGE_DIR || f->kind == CK_STAGE_ALIAS, ret, err);
}

uint64_t ck_found_ino(const struct ck_found *f)
{
	uint64_t id = f->node ? f->node->id : f->base;

	if (f->kind == CK_STAGE_GHOST)
		id = f->entry->ghost;
	return id << 3 | (uint64_t)f->kind;
}

int ck_sfind_parent(struct ck_stage *s, struct ck_span path, struct ck_snode **dir,
		    struct ck_span *name, struct ck_err *err)
{
	struct ck_snode *d = s->root;

	for (;;) {
		const uint8_t *slash = memchr(path.p, '/', path.n);
		struct ck_found f;
		struct ck_buf ck_auto_buf part = CK_BUF_INIT;
		int r;

		if (!slash)
			break;
		ck_buf_add(&part, path.p, (size_t)(slash - path.p));
		if (!part.p || ck_buf_failed(&part))
			return part.p ? -ENOMEM : -ENOENT;
		r = ck_sfind(s, d, CK_NO_NODE, part.p, part.n, &f);
		if (r == 0 && f.kind != CK_STAGE_DIR && f.kind != CK_STAGE_ALIAS)
			r = -ENOTDIR;
		if (r == 0)
			r = ck_found_node(s, &f, &d, err);
		if (r < 0)
			return r;
		path.n -= (size_t)(slash + 1 - path.p);
		path.p = slash + 1;
	}
	if (!path.n)
		return -ENOENT;
	*dir = d;
	*name = path;
	return 0;
}

bool ck_dir_is_empty(struct ck_stage *s, struct ck_snode *dir)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	uint32_t first, n;

	for (struct ck_sentry *e = dir->children; e; e = e->next)
		if (e->node)
			return false;
	if (dir->base == CK_NO_NODE)
		return true;
	n = ck_tree_children(s->tree, dir->base, &first);
	for (uint32_t i = first; i < first + n; i++) {
		for (int d = 0; d < 2; d++) {
			struct ck_entry te = { i, d ? CK_KIND_DIR : CK_KIND_DATA };

			if (d ? !ck_tree_is_dir(s->tree, i) :
				ck_tree_var(s->tree, i) == CK_NO_VAR)
				continue;
			ck_buf_clear(&name);
			ck_tree_spell(s->tree, s->root_base, te, &name);
			if (ck_buf_failed(&name) || !ck_sentry_find(s, dir, name.p, name.n))
				return false;
		}
	}
	return true;
}
