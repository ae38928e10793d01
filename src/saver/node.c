/*
 * node.c - the tables of nodes and entries (stage_private.h): hashed by id, and by folder and name.
 *
 * Both grow by doubling. A node that came from the opened tree stays for as long as the stage,
 * since the kernel may know its number without our having counted; one that was made new goes
 * when it is linked nowhere, closed and forgotten.
 */
#include "saver/stage_private.h"

#include "core/read.h"

#include <errno.h>
#include <stdlib.h>

static size_t id_hash(uint64_t id, bool is_dir)
{
	return (size_t)((id * 2 + is_dir) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

static size_t name_hash(const struct ck_snode *dir, const char *name, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)(uintptr_t)dir;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 29);
}

struct ck_snode *ck_snode_by_id(const struct ck_stage *s, uint64_t id, bool is_dir)
{
	struct ck_snode *n;

	if (!s->node_slots)
		return NULL;
	n = s->node_table[id_hash(id, is_dir) & (s->node_slots - 1)];
	while (n && (n->id != id || n->is_dir != is_dir))
		n = n->hash_next;
	return n;
}

struct ck_sentry *ck_sentry_find(const struct ck_stage *s, const struct ck_snode *dir,
				const char *name, size_t len)
{
	struct ck_sentry *e;

	if (!s->entry_slots)
		return NULL;
	e = s->entry_table[name_hash(dir, name, len) & (s->entry_slots - 1)];
	while (e && (e->dir != dir || strlen(e->name) != len || memcmp(e->name, name, len) != 0))
		e = e->hash_next;
	return e;
}

static bool grow_nodes(struct ck_stage *s)
{
	size_t slots = s->node_slots ? 2 * s->node_slots : 64;
	struct ck_snode **table = calloc(slots, sizeof(*table));

	if (!table)
		return s->node_slots > 0; /* longer chains do as well */
	for (struct ck_snode *n = s->nodes; n; n = n->all_next) {
		size_t at = id_hash(n->id, n->is_dir) & (slots - 1);

		n->hash_next = table[at];
		table[at] = n;
	}
	free(s->node_table);
	s->node_table = table;
	s->node_slots = slots;
	return true;
}

static bool grow_entries(struct ck_stage *s)
{
	size_t slots = s->entry_slots ? 2 * s->entry_slots : 64;
	struct ck_sentry **table = calloc(slots, sizeof(*table));

	if (!table)
		return s->entry_slots > 0;
	for (size_t i = 0; i < s->entry_slots; i++) {
		struct ck_sentry *e = s->entry_table[i], *next;

		for (; e; e = next) {
			size_t at = name_hash(e->dir, e->name, strlen(e->name)) & (slots - 1);

			next = e->hash_next;
			e->hash_next = table[at];
			table[at] = e;
		}
	}
	free(s->entry_table);
	s->entry_table = table;
	s->entry_slots = slots;
	return true;
}

struct ck_sentry *ck_sentry_make(struct ck_stage *s, struct ck_snode *dir, const char *name,
				size_t len)
{
	struct ck_sentry *e = ck_sentry_find(s, dir, name, len);
	size_t at;

	if (e)
		return e;
	if (s->nentries >= s->entry_slots && !grow_entries(s))
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e || !(e->name = strndup(name, len))) {
		free(e);
		return NULL;
	}
	e->dir = dir;
	e->base = CK_NO_NODE;
	at = name_hash(dir, name, len) & (s->entry_slots - 1);
	e->hash_next = s->entry_table[at];
	s->entry_table[at] = e;
	s->nentries++;
	e->next = dir->children;
	if (e->next)
		e->next->prev = e;
	dir->children = e;
	return e;
}

struct ck_snode *ck_snode_new(struct ck_stage *s, uint64_t id, bool is_dir)
{
	struct ck_snode *n;
	size_t at;

	if (s->nnodes >= s->node_slots && !grow_nodes(s))
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->id = id;
	n->is_dir = is_dir;
	n->base = CK_NO_NODE;
	at = id_hash(id, is_dir) & (s->node_slots - 1);
	n->hash_next = s->node_table[at];
	s->node_table[at] = n;
	n->all_next = s->nodes;
	if (n->all_next)
		n->all_next->all_prev = n;
	s->nodes = n;
	s->nnodes++;
	return n;
}

static void state_done(struct ck_stage *s, struct ck_sstate *state)
{
	ck_content_unref(s, state->content);
	ck_varmeta_unref(state->meta);
	state->content = NULL;
	state->meta = NULL;
}

static void node_free(struct ck_stage *s, struct ck_snode *n)
{
	struct ck_snode **at = &s->node_table[id_hash(n->id, n->is_dir) & (s->node_slots - 1)];

	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	if (n->all_prev)
		n->all_prev->all_next = n->all_next;
	else
		s->nodes = n->all_next;
	if (n->all_next)
		n->all_next->all_prev = n->all_prev;
	s->nnodes--;
	while (n->xattrs) {
		struct ck_sxattr *x = n->xattrs;

		n->xattrs = x->next;
		free(x->name);
		free(x->value);
		free(x);
	}
	state_done(s, &n->now);
	state_done(s, &n->pub);
	free(n->pub.name);
	free((void *)(uintptr_t)n->pub_name.p);
	free(n->component);
	free(n);
}

void ck_snode_maybe_free(struct ck_stage *s, struct ck_snode *n)
{
	if (n->is_dir || n->entry || n->nlookup || n->nopen || n->pending || n->pub_name.p ||
	    n->pub.content || n->id < CK_STAGE_FIRST_ID)
		return;
	node_free(s, n);
}

static void entry_free(struct ck_sentry *e)
{
	ck_varmeta_unref(e->last);
	free(e->name);
	free(e);
}

static size_t ghost_slot(const struct ck_stage *s, uint64_t id)
{
	return id_hash(id, false) & (s->ghost_slots - 1);
}

static void ghost_unhash(struct ck_stage *s, struct ck_sentry *e)
{
	struct ck_sentry **at;

	if (!e->ghost_key)
		return;
	at = &s->ghost_table[ghost_slot(s, e->ghost_key)];
	while (*at != e)
		at = &(*at)->ghost_next;
	*at = e->ghost_next;
	e->ghost_key = 0;
	s->nghosts--;
}

static void grow_ghosts(struct ck_stage *s)
{
	size_t slots = s->ghost_slots ? 2 * s->ghost_slots : 64, was = s->ghost_slots;
	struct ck_sentry **old = s->ghost_table, **table = calloc(slots, sizeof(*table));

	if (!table)
		return;
	s->ghost_table = table;
	s->ghost_slots = slots;
	for (size_t i = 0; i < was; i++) {
		struct ck_sentry *e = old[i], *next;

		for (; e; e = next) {
			struct ck_sentry **at = &table[ghost_slot(s, e->ghost_key)];

			next = e->ghost_next;
			e->ghost_next = *at;
			*at = e;
		}
	}
	free(old);
}

void ck_ghost_set(struct ck_stage *s, struct ck_sentry *e, uint64_t id)
{
	struct ck_sentry **at;

	ghost_unhash(s, e);
	e->ghost = 0;
	if (s->nghosts >= s->ghost_slots)
		grow_ghosts(s);
	if (!id || !s->ghost_slots)
		return;
	at = &s->ghost_table[ghost_slot(s, id)];
	e->ghost = e->ghost_key = id;
	e->ghost_next = *at;
	*at = e;
	s->nghosts++;
}

struct ck_sentry *ck_ghost_find(const struct ck_stage *s, uint64_t id)
{
	struct ck_sentry *e = s->ghost_slots ? s->ghost_table[ghost_slot(s, id)] : NULL;

	while (e && e->ghost_key != id)
		e = e->ghost_next;
	return e;
}

void ck_sentry_maybe_free(struct ck_stage *s, struct ck_sentry *e)
{
	struct ck_sentry **at;

	if (e->node || e->base != CK_NO_NODE || e->last || e->ghost)
		return;
	ghost_unhash(s, e);
	at = &s->entry_table[name_hash(e->dir, e->name, strlen(e->name)) & (s->entry_slots - 1)];
	while (*at != e)
		at = &(*at)->hash_next;
	*at = e->hash_next;
	if (e->prev)
		e->prev->next = e->next;
	else
		e->dir->children = e->next;
	if (e->next)
		e->next->prev = e->prev;
	s->nentries--;
	entry_free(e);
}

void ck_snodes_free(struct ck_stage *s)
{
	for (size_t i = 0; i < s->entry_slots; i++) {
		while (s->entry_table[i]) {
			struct ck_sentry *e = s->entry_table[i];

			s->entry_table[i] = e->hash_next;
			entry_free(e);
		}
	}
	while (s->nodes)
		node_free(s, s->nodes);
	free(s->entry_table);
	free(s->ghost_table);
	free(s->node_table);
	s->entry_table = s->ghost_table = NULL;
	s->ghost_slots = s->nghosts = 0;
	s->node_table = NULL;
	s->entry_slots = s->node_slots = 0;
}

void ck_snode_link(struct ck_stage *s, struct ck_snode *n, struct ck_sentry *e)
{
	(void)s;
	e->node = n;
	e->ghost = 0;
	n->entry = e;
	n->now.dir = e->dir;
	n->now.name = e->name;
	if (n->is_dir)
		e->dir->nsub++;
}

void ck_snode_unlink(struct ck_stage *s, struct ck_snode *n)
{
	struct ck_sentry *e = n->entry;

	(void)s;
	e->node = NULL;
	if (!n->is_dir && n->now.meta && !ck_name_is_scratch(e->name)) {
		ck_varmeta_unref(e->last);
		e->last = ck_varmeta_ref(n->now.meta);
		e->last_suffixed = n->suffixed;
	}
	if (n->is_dir)
		e->dir->nsub--;
	n->entry = NULL;
	n->now.dir = NULL;
	n->now.name = NULL;
}

struct ck_sattr ck_sattr_new(const struct ck_stage *s, mode_t mode)
{
	struct ck_sattr a = { .mode = mode & 07777, .uid = s->o.uid, .gid = s->o.gid };

	ck_sattr_touch(&a);
	a.atime = a.mtime;
	return a;
}

void ck_sattr_touch(struct ck_sattr *a)
{
	clock_gettime(CLOCK_REALTIME, &a->mtime);
	a->ctime = a->mtime;
}

void ck_snode_touch(struct ck_snode *n)
{
	ck_sattr_touch(&n->attr);
}

/* A node begins with the attributes that everything has. */
static void default_attr(const struct ck_stage *s, struct ck_snode *n)
{
	n->attr = (struct ck_sattr){
		.mode = n->is_dir ? s->o.dir_mode : s->o.file_mode,
		.uid = s->o.uid,
		.gid = s->o.gid,
		.atime = s->model->mtime,
		.mtime = s->model->mtime,
		.ctime = s->model->mtime,
	};
	n->json = n->attr;
}

/* The file or folder in its published state, and where it was. */
static int fill_from_tree(struct ck_stage *s, struct ck_snode *n, struct ck_err *err)
{
	uint32_t var = ck_tree_var(s->tree, n->base);
	struct ck_span name;
	uint64_t size;
	int r;

	if (n->is_dir) {
		n->nsub = ck_tree_subdirs(s->tree, n->base);
		return 0;
	}
	r = ck_var_size(s->model, var, &size, err);
	if (r < 0)
		return r;
	n->pub.content = ck_content_of_var(s, s->model, var, size);
	r = ck_varmeta_of(s->model, var, &n->pub.meta, err);
	if (r < 0)
		return r;
	if (!n->pub.content)
		return ck_fail_nomem(err, s->prefix);
	n->now.content = ck_content_ref(n->pub.content);
	n->now.meta = ck_varmeta_ref(n->pub.meta);
	name = ck_var_name(s->model, &s->model->vars[var]);
	n->home_is_base = true;
	n->suffixed = n->pub_suffixed = ck_tree_suffixed(s->tree, n->base);
	n->pub_name.p = malloc(name.n + 1);
	if (!n->pub_name.p)
		return ck_fail_nomem(err, s->prefix);
	memcpy((void *)(uintptr_t)n->pub_name.p, name.p, name.n);
	n->pub_name.n = name.n;
	return 0;
}

static int keep_component(struct ck_stage *s, struct ck_snode *n)
{
	struct ck_span c = ck_tree_component(s->tree, n->base);

	n->component = malloc(c.n + 1);
	if (!n->component)
		return -ENOMEM;
	memcpy(n->component, c.p, c.n);
	n->component_len = c.n;
	return 0;
}

/* The published name of a scope below a folder whose own is known. */
static int publish_scope(struct ck_stage *s, struct ck_snode *n, const struct ck_snode *parent)
{
	struct ck_span c = ck_tree_component(s->tree, n->base);
	char *p = malloc(parent->pub_name.n + c.n + 1);

	if (!p)
		return -ENOMEM;
	if (parent->pub_name.n)
		memcpy(p, parent->pub_name.p, parent->pub_name.n);
	memcpy(p + parent->pub_name.n, c.p, c.n);
	p[parent->pub_name.n + c.n] = s->o.tree.sep;
	n->pub_name = ck_span(p, parent->pub_name.n + c.n + 1);
	return 0;
}

/* The variable's published name is its folder's and the rest of what it was opened as. */
static int publish_name(struct ck_stage *s, struct ck_snode *n, const struct ck_snode *parent)
{
	struct ck_span c = ck_tree_component(s->tree, n->base);
	size_t room = parent->pub_name.n + c.n + sizeof(CK_TF2_SUFFIX), len = 0;
	char *p = malloc(room);

	if (!p)
		return -ENOMEM;
	if (parent->pub_name.n)
		memcpy(p, parent->pub_name.p, parent->pub_name.n);
	len = parent->pub_name.n;
	memcpy(p + len, c.p, c.n);
	len += c.n;
	if (n->suffixed) {
		memcpy(p + len, CK_TF2_SUFFIX, sizeof(CK_TF2_SUFFIX) - 1);
		len += sizeof(CK_TF2_SUFFIX) - 1;
	}
	free((void *)(uintptr_t)n->pub_name.p);
	n->pub_name = ck_span(p, len);
	return 0;
}

int ck_snode_materialize(struct ck_stage *s, uint32_t base, bool is_dir, struct ck_snode **ret,
			 struct ck_err *err)
{
	struct ck_entry te = { .node = base, .kind = is_dir ? CK_KIND_DIR : CK_KIND_DATA };
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct ck_snode *n = ck_snode_by_id(s, base, is_dir), *parent;
	struct ck_sentry *e;
	int r;

	if (n) {
		*ret = n;
		return 0;
	}
	r = ck_snode_materialize(s, ck_tree_parent(s->tree, base), true, &parent, err);
	if (r < 0)
		return r;
	ck_tree_spell(s->tree, s->root_base, te, &name);
	if (ck_buf_failed(&name))
		return ck_fail_nomem(err, s->prefix);
	n = ck_snode_new(s, base, is_dir);
	if (!n)
		return ck_fail_nomem(err, s->prefix);
	n->base = base;
	default_attr(s, n);
	r = fill_from_tree(s, n, err);
	if (r == 0 && strstr(name.p, "%~"))
		r = keep_component(s, n);
	if (r == 0)
		r = is_dir ? publish_scope(s, n, parent) : publish_name(s, n, parent);
	if (r == 0 && !(n->pub.name = strdup(name.p)))
		r = -ENOMEM;
	e = r == 0 ? ck_sentry_make(s, parent, name.p, name.n) : NULL;
	if (!e) {
		node_free(s, n);
		return r == 0 || r == -ENOMEM ? ck_fail_nomem(err, s->prefix) : r;
	}
	n->pub.dir = parent;
	e->base = base;
	e->base_dir = is_dir;
	e->node = n; /* not linked by ck_snode_link(): the folder counts it already */
	n->entry = e;
	n->now.dir = parent;
	n->now.name = e->name;
	*ret = n;
	return 0;
}

bool ck_name_is_scratch(const char *name)
{
	size_t n = strlen(name);

	if (name[0] == '.')
		return true;
	if (n >= 1 && name[n - 1] == '~')
		return true;
	if (n >= 4 && strcmp(name + n - 4, ".swp") == 0)
		return true;
	return n >= 2 && name[0] == '#' && name[n - 1] == '#';
}
