/*
 * attr.c - attributes and extended attributes, and the lookups that answer with them.
 */
#include "saver/stage_private.h"

#include "core/meta.h"
#include "core/read.h"
#include "util/json.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/xattr.h>

#define XATTR_MAX (64u << 10) /* bytes of names and values that a file may have */
#define PREFIX "user.ckptfuse."

static void set_size(struct stat *st, uint64_t size)
{
	st->st_size = size > INT64_MAX ? INT64_MAX : (off_t)size;
	st->st_blocks = (blkcnt_t)(size / 512 + (size % 512 != 0));
}

void ck_snode_attr(struct ck_stage *s, struct ck_snode *n, enum ck_stage_kind kind,
		   struct stat *ret)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	const struct ck_sattr *a = kind == CK_STAGE_JSON ? &n->json : &n->attr;
	struct stat st = {
		.st_ino = n == s->root ? CK_STAGE_ROOT : n->id << 3 | (uint64_t)kind,
		.st_mode = a->mode | (n->is_dir ? S_IFDIR : S_IFREG),
		.st_nlink = n->is_dir ? 2 + n->nsub : n->entry ? 1 : 0,
		.st_uid = a->uid,
		.st_gid = a->gid,
		.st_blksize = 4096,
		.st_atim = a->atime,
		.st_mtim = a->mtime,
		.st_ctim = a->ctime,
	};

	if (kind == CK_STAGE_JSON) {
		ck_json_text(s, n, &text);
		set_size(&st, text.n);
	} else if (!n->is_dir) {
		set_size(&st, n->now.content ? n->now.content->size : 0);
	}
	*ret = st;
}

/* Of what is no node. */
static int base_attr(struct ck_stage *s, uint32_t base, enum ck_stage_kind kind, struct stat *ret,
		     struct ck_err *err)
{
	bool is_dir = kind == CK_STAGE_DIR || kind == CK_STAGE_ALIAS;
	struct stat st = {
		.st_ino = (uint64_t)base << 3 | (uint64_t)kind,
		.st_mode = is_dir ? S_IFDIR | s->o.dir_mode : S_IFREG | s->o.file_mode,
		.st_nlink = is_dir ? 2 + ck_tree_subdirs(s->tree, base) : 1,
		.st_uid = s->o.uid,
		.st_gid = s->o.gid,
		.st_blksize = 4096,
		.st_atim = s->model->mtime,
		.st_mtim = s->model->mtime,
		.st_ctim = s->model->mtime,
	};
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	uint32_t var = ck_tree_var(s->tree, base);
	uint64_t size = 0;
	int r = 0;

	if (!is_dir) {
		if (var == CK_NO_VAR)
			return -ESTALE;
		if (kind == CK_STAGE_JSON) {
			r = ck_base_json(s, base, &text, err);
			size = text.n;
		} else {
			r = ck_var_size(s->model, var, &size, err);
		}
		if (r == 0)
			set_size(&st, size);
	}
	if (r == 0)
		*ret = st;
	return r;
}

static int ghost_attr(struct ck_stage *s, const struct ck_sentry *e, struct stat *ret,
		      struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	int r = ck_ghost_json(s, e, &text, err);

	if (r < 0)
		return r;
	*ret = (struct stat){
		.st_ino = e->ghost << 3 | CK_STAGE_GHOST,
		.st_mode = S_IFREG | s->o.file_mode,
		.st_nlink = 1,
		.st_uid = s->o.uid,
		.st_gid = s->o.gid,
		.st_blksize = 4096,
		.st_atim = s->model->mtime,
		.st_mtim = s->model->mtime,
		.st_ctim = s->model->mtime,
	};
	set_size(ret, text.n);
	return 0;
}

/* By its inode, which who opened it to write to it has still, when it is another's V.json. */
static int ghost_getattr(struct ck_stage *s, uint64_t ino, struct stat *ret, struct ck_err *err)
{
	struct ck_sentry *e = ck_ghost_find(s, ino >> 3);

	if (e && e->ghost == ino >> 3)
		return ghost_attr(s, e, ret, err);
	if (!e || !e->node || e->node->is_dir)
		return -ESTALE;
	ck_snode_attr(s, e->node, CK_STAGE_JSON, ret);
	ret->st_ino = ino;
	return 0;
}

static int found_attr(struct ck_stage *s, const struct ck_found *f, struct stat *ret,
		      struct ck_err *err)
{
	if (f->kind == CK_STAGE_GHOST)
		return ghost_attr(s, f->entry, ret, err);
	if (!f->node)
		return base_attr(s, f->base, f->kind, ret, err);
	ck_snode_attr(s, f->node, f->kind, ret);
	return 0;
}

int ck_stage_lookup(struct ck_stage *s, uint64_t dir, const char *name, struct stat *ret,
		    struct ck_err *err)
{
	struct ck_snode *d;
	struct ck_found f;
	uint32_t base;
	int r;

	pthread_rwlock_rdlock(&s->state_lock);
	r = ck_sfind_dir(s, dir, &d, &base);
	if (r == 0)
		r = ck_sfind(s, d, base, name, strlen(name), &f);
	if (r == 0)
		r = found_attr(s, &f, ret, err);
	if (r == 0 && f.node)
		__atomic_add_fetch(&f.node->nlookup, 1, __ATOMIC_RELAXED);
	if (r == -EINVAL)
		ck_name_check(s, d, name, false, err);
	pthread_rwlock_unlock(&s->state_lock);
	return r;
}

void ck_stage_forget(struct ck_stage *s, uint64_t ino, uint64_t nlookup)
{
	bool is_dir = (ino & 7) == CK_STAGE_DIR || (ino & 7) == CK_STAGE_ALIAS;
	struct ck_snode *n;
	uint64_t left;

	pthread_rwlock_rdlock(&s->state_lock);
	n = ck_snode_by_id(s, ino >> 3, is_dir);
	if (n) {
		/* What was looked up before it became a node was not counted. */
		left = __atomic_load_n(&n->nlookup, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&n->nlookup, &left,
						    left > nlookup ? left - nlookup : 0, true,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
		if (left <= nlookup && !n->entry)
			__atomic_add_fetch(&s->garbage, 1, __ATOMIC_RELAXED);
	}
	pthread_rwlock_unlock(&s->state_lock);
}

int ck_stage_getattr(struct ck_stage *s, uint64_t ino, struct stat *ret, struct ck_err *err)
{
	enum ck_stage_kind kind = (enum ck_stage_kind)(ino & 7);
	bool is_dir = kind == CK_STAGE_DIR || kind == CK_STAGE_ALIAS;
	struct ck_snode *n;
	int r = 0;

	pthread_rwlock_rdlock(&s->state_lock);
	n = ino == CK_STAGE_ROOT ? s->root : ck_snode_by_id(s, ino >> 3, is_dir);
	if (kind == CK_STAGE_GHOST)
		r = ghost_getattr(s, ino, ret, err);
	else if (n)
		ck_snode_attr(s, n, kind, ret);
	else if (ino >> 3 < ck_tree_nodes(s->tree))
		r = base_attr(s, (uint32_t)(ino >> 3), kind, ret, err);
	else
		r = -ESTALE;
	pthread_rwlock_unlock(&s->state_lock);
	return r;
}

uint64_t ck_stage_parent(struct ck_stage *s, uint64_t dir)
{
	uint64_t parent = CK_STAGE_ROOT;
	struct ck_snode *d;
	uint32_t base;

	pthread_rwlock_rdlock(&s->state_lock);
	if (ck_sfind_dir(s, dir, &d, &base) == 0) {
		if (d && d != s->root && d->now.dir != s->root)
			parent = d->now.dir->id << 3 | CK_STAGE_DIR;
		else if (!d && ck_tree_parent(s->tree, base) != s->root_base)
			parent = (uint64_t)ck_tree_parent(s->tree, base) << 3 | CK_STAGE_DIR;
	}
	pthread_rwlock_unlock(&s->state_lock);
	return parent;
}

/* The node of an inode, made if need be; NULL for a ghost. Under edit_lock and state_lock. */
static int node_of(struct ck_stage *s, uint64_t ino, struct ck_snode **ret, struct ck_err *err)
{
	enum ck_stage_kind kind = (enum ck_stage_kind)(ino & 7);
	bool is_dir = kind == CK_STAGE_DIR || kind == CK_STAGE_ALIAS;
	uint64_t id = ino >> 3;

	*ret = NULL;
	if (kind == CK_STAGE_GHOST)
		return 0;
	if (is_dir)
		return ck_dir_node(s, ino, ret, err);
	*ret = ck_snode_by_id(s, id, false);
	if (*ret)
		return 0;
	if (id >= ck_tree_nodes(s->tree) || ck_tree_var(s->tree, (uint32_t)id) == CK_NO_VAR)
		return -ESTALE;
	return ck_snode_materialize(s, (uint32_t)id, false, ret, err);
}

int ck_stage_setattr(struct ck_stage *s, uint64_t ino, unsigned set, const struct stat *attr,
		     struct ck_err *err)
{
	struct timespec now;
	struct ck_snode *n;
	int r;

	pthread_mutex_lock(&s->edit_lock); /* it is no edit: nothing of it is published */
	ck_state_write(s);
	r = node_of(s, ino, &n, err);
	if (r == 0 && n) {
		struct ck_sattr *a = (ino & 7) == CK_STAGE_JSON ? &n->json : &n->attr;

		clock_gettime(CLOCK_REALTIME, &now);
		if (set & CK_SET_MODE)
			a->mode = attr->st_mode & 07777;
		if (set & CK_SET_UID)
			a->uid = attr->st_uid;
		if (set & CK_SET_GID)
			a->gid = attr->st_gid;
		if (set & (CK_SET_ATIME | CK_SET_ATIME_NOW))
			a->atime = set & CK_SET_ATIME_NOW ? now : attr->st_atim;
		if (set & (CK_SET_MTIME | CK_SET_MTIME_NOW))
			a->mtime = set & CK_SET_MTIME_NOW ? now : attr->st_mtim;
		a->ctime = now;
	}
	ck_state_written(s);
	pthread_mutex_unlock(&s->edit_lock);
	return r;
}

/* --- extended attributes --------------------------------------------------------------------- */

static const char *const own_names[] = { "dtype", "shape", "byte_order", "name", "crc32c" };
#define N_OWN (sizeof(own_names) / sizeof(own_names[0]))

/* What a file's own attributes are made from: a node, or a variable of the opened tree. */
struct subject {
	struct ck_snode *n;
	const struct ck_var *v;
	uint32_t base;
};

static bool crc_of(const struct subject *u, uint32_t *crc)
{
	const struct ck_content *c = u->n ? u->n->now.content : NULL;

	if (u->v && !(u->v->flags & (CK_VAR_SLICED | CK_VAR_DAMAGED))) {
		*crc = u->v->crc32c;
		return true;
	}
	if (!c || !c->homed || c != u->n->pub.content || u->n->now.meta != u->n->pub.meta ||
	    (c->var != CK_NO_VAR && (c->model->vars[c->var].flags & CK_VAR_SLICED)))
		return false;
	*crc = c->home_crc;
	return true;
}

/* Appends the value; false where there is none. */
static bool own_value(struct ck_stage *s, const struct subject *u, size_t which, struct ck_buf *out)
{
	const struct ck_varmeta *m = u->n ? u->n->now.meta : NULL;
	uint32_t crc;

	if (!m && !u->v)
		return false;
	switch (which) {
	case 0:
		if (m && !m->has_dtype)
			return false;
		ck_buf_str(out, ck_dtype_info(m ? m->dtype : (enum ck_dtype)u->v->dtype)->name);
		return true;
	case 1:
		if (m && !m->has_shape)
			return false;
		if (m)
			ck_json_numbers(m->shape, m->rank, out);
		else
			ck_meta_shape(s->model, u->v, out);
		return true;
	case 2:
		ck_buf_str(out, (m ? m->big_endian : s->big_endian) ? "big" : "little");
		return true;
	case 3:
		if (u->n)
			return u->n->entry && ck_var_node_name(s, u->n, out);
		return ck_base_name(s, u->base, out);
	default:
		if (!crc_of(u, &crc))
			return false;
		ck_buf_printf(out, "%08x", crc);
		return true;
	}
}

static int find_subject(struct ck_stage *s, uint64_t ino, struct subject *ret)
{
	enum ck_stage_kind kind = (enum ck_stage_kind)(ino & 7);
	bool is_dir = kind == CK_STAGE_DIR || kind == CK_STAGE_ALIAS;
	uint64_t id = ino >> 3;
	uint32_t var;

	*ret = (struct subject){ 0 };
	if (kind == CK_STAGE_JSON || kind == CK_STAGE_GHOST)
		return 0;
	ret->n = ino == CK_STAGE_ROOT ? s->root : ck_snode_by_id(s, id, is_dir);
	if (ret->n || is_dir)
		return 0;
	var = id < ck_tree_nodes(s->tree) ? ck_tree_var(s->tree, (uint32_t)id) : CK_NO_VAR;
	if (var == CK_NO_VAR)
		return -ESTALE;
	ret->v = &s->model->vars[var];
	ret->base = (uint32_t)id;
	return 0;
}

static int own_number(const char *name)
{
	size_t n = strlen(PREFIX);

	for (size_t i = 0; i < N_OWN && strncmp(name, PREFIX, n) == 0; i++)
		if (strcmp(name + n, own_names[i]) == 0)
			return (int)i;
	return -1;
}

static ssize_t give(const void *value, size_t n, void *p, size_t size)
{
	if (size == 0)
		return (ssize_t)n;
	if (size < n)
		return -ERANGE;
	if (n)
		memcpy(p, value, n);
	return (ssize_t)n;
}

ssize_t ck_stage_getxattr(struct ck_stage *s, uint64_t ino, const char *name, void *p, size_t size,
			  struct ck_err *err)
{
	struct ck_buf ck_auto_buf value = CK_BUF_INIT;
	int number = own_number(name);
	struct ck_sxattr *x;
	struct subject u;
	ssize_t r;

	(void)err;
	pthread_rwlock_rdlock(&s->state_lock);
	r = find_subject(s, ino, &u);
	if (r == 0) {
		r = -ENODATA;
		if (number >= 0 && !(u.n && u.n->is_dir) &&
		    own_value(s, &u, (size_t)number, &value))
			r = ck_buf_failed(&value) ? -ENOMEM : give(value.p, value.n, p, size);
		x = u.n && r == -ENODATA ? u.n->xattrs : NULL;
		while (x && strcmp(x->name, name) != 0)
			x = x->next;
		if (x)
			r = give(x->value, x->n, p, size);
	}
	pthread_rwlock_unlock(&s->state_lock);
	return r;
}

ssize_t ck_stage_listxattr(struct ck_stage *s, uint64_t ino, char *p, size_t size,
			   struct ck_err *err)
{
	struct ck_buf ck_auto_buf list = CK_BUF_INIT, value = CK_BUF_INIT;
	struct subject u;
	ssize_t r;

	(void)err;
	pthread_rwlock_rdlock(&s->state_lock);
	r = find_subject(s, ino, &u);
	for (size_t i = 0; r == 0 && i < N_OWN && !(u.n && u.n->is_dir); i++) {
		if (!own_value(s, &u, i, &value))
			continue;
		ck_buf_str(&list, PREFIX);
		ck_buf_add(&list, own_names[i], strlen(own_names[i]) + 1);
	}
	for (struct ck_sxattr *x = r == 0 && u.n ? u.n->xattrs : NULL; x; x = x->next)
		ck_buf_add(&list, x->name, strlen(x->name) + 1);
	pthread_rwlock_unlock(&s->state_lock);
	if (r < 0)
		return r;
	return ck_buf_failed(&list) ? -ENOMEM : give(list.p, list.n, p, size);
}

static int keep_xattr(struct ck_snode *n, const char *name, const void *p, size_t size, int flags)
{
	struct ck_sxattr **at = &n->xattrs, *x;
	size_t bytes;
	void *copy;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	if ((*at && (flags & XATTR_CREATE)) || (!*at && (flags & XATTR_REPLACE)))
		return *at ? -EEXIST : -ENODATA;
	bytes = n->xattr_bytes + size + (*at ? 0 : strlen(name) + 1) - (*at ? (*at)->n : 0);
	if (bytes > XATTR_MAX)
		return -ENOSPC;
	copy = malloc(size ? size : 1);
	x = *at ? *at : calloc(1, sizeof(*x));
	if (!copy || !x || (!x->name && !(x->name = strdup(name)))) {
		free(copy);
		if (!*at)
			free(x);
		return -ENOMEM;
	}
	if (size)
		memcpy(copy, p, size);
	free(x->value);
	x->value = copy;
	x->n = size;
	*at = x;
	n->xattr_bytes = bytes;
	return 0;
}

static int refuse_xattr(uint64_t ino, const char *name, const struct ck_snode *n,
			struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM], attr[CK_QUOTE_ROOM];

	ck_quote(attr, sizeof(attr), name, strlen(name));
	if ((ino & 7) == CK_STAGE_JSON || !n)
		return ck_fail(err, CK_USAGE, EOPNOTSUPP, "%s: a .json has no attributes of its own: "
			       "set them on the variable's file", attr);
	ck_stage_quote(n, quoted, sizeof(quoted));
	return ck_fail(err, CK_USAGE, EINVAL, "%s: cannot have the attribute %s: of those only the "
		       "dtype, shape and byte_order of variables can be set", quoted, attr);
}

/* dtype, shape and byte order are the variable's; name and checksum follow and are not set. */
static int set_own(struct ck_stage *s, struct ck_snode *n, const char *member, struct ck_span value,
		   struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_varmeta *meta;
	int r;

	if (strcmp(member, "name") == 0 || strcmp(member, "crc32c") == 0)
		return 0;
	ck_snode_path(n, &path);
	r = ck_varmeta_parse_member(member, value, n->now.meta, s->big_endian,
				    path.p ? path.p : member, &meta, err);
	if (r < 0)
		return r;
	if (n->entry)
		return ck_do_meta(s, n, meta, err);
	ck_varmeta_unref(meta);
	return 0;
}

int ck_stage_setxattr(struct ck_stage *s, uint64_t ino, const char *name, const void *p, size_t n,
		      int flags, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	int number = own_number(name);
	struct ck_snode *node;
	int r;

	if (strncmp(name, "system.posix_acl", 16) == 0)
		return -EOPNOTSUPP;
	r = ck_edit_begin(s, err);
	if (r < 0)
		return r;
	ck_state_write(s);
	r = node_of(s, ino, &node, err);
	if (r == 0 && ((ino & 7) == CK_STAGE_JSON || !node))
		r = refuse_xattr(ino, name, node, err);
	else if (r == 0 && number >= 0 && !node->is_dir)
		r = set_own(s, node, own_names[number], ck_span(p, n), err);
	else if (r == 0 && strncmp(name, PREFIX, strlen(PREFIX)) == 0)
		r = refuse_xattr(ino, name, node, err);
	else if (r == 0 && (r = keep_xattr(node, name, p, n, flags)) == -ENOSPC)
		ck_fail(err, CK_USAGE, ENOSPC, "%s: more than %u bytes of attributes: they are not "
			"published, and kept in memory",
			ck_stage_quote(node, quoted, sizeof(quoted)), XATTR_MAX);
	ck_state_written(s);
	if (number >= 0)
		ck_edit_end(s, r);
	else
		pthread_mutex_unlock(&s->edit_lock);
	return r;
}

int ck_stage_removexattr(struct ck_stage *s, uint64_t ino, const char *name, struct ck_err *err)
{
	struct ck_sxattr **at, *x;
	struct ck_snode *n;
	int r;

	if (own_number(name) >= 0)
		return -EPERM; /* a variable has them for as long as it is one */
	pthread_mutex_lock(&s->edit_lock);
	ck_state_write(s);
	r = node_of(s, ino, &n, err);
	if (r == 0) {
		r = -ENODATA;
		for (at = n ? &n->xattrs : NULL; at && *at; at = &(*at)->next) {
			if (strcmp((*at)->name, name) != 0)
				continue;
			x = *at;
			*at = x->next;
			n->xattr_bytes -= x->n + strlen(x->name) + 1;
			free(x->name);
			free(x->value);
			free(x);
			r = 0;
			break;
		}
	}
	ck_state_written(s);
	pthread_mutex_unlock(&s->edit_lock);
	return r;
}
