/*
 * tree_find.c - from a path to its node, and from a node to its file name.
 */
#include "core/tree_private.h"

#include <errno.h>

/* The child with that component, or UINT32_MAX. */
static uint32_t find_child(const struct ck_tree *t, uint32_t dir, struct ck_span c)
{
	uint32_t lo = t->nodes[dir].first, hi = lo + t->nodes[dir].nchildren;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int cmp = ck_span_cmp(tree_component(t, mid), c);

		if (cmp == 0)
			return mid;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return UINT32_MAX;
}

static uint32_t find_long(const struct ck_tree *t, uint32_t dir, uint64_t hash, unsigned flags)
{
	uint32_t lo = 0, hi = t->nlong;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct long_name *l = &t->longs[mid];

		if (l->parent < dir || (l->parent == dir && l->hash < hash))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < t->nlong && t->longs[lo].parent == dir && t->longs[lo].hash == hash; lo++)
		if (t->longs[lo].flags == flags)
			return t->longs[lo].node;
	return UINT32_MAX;
}

/*
 * The child of dir that is spelt so as a file (CK_NAME_LAST) or a folder. 0, -ENOENT, or -EINVAL
 * where no component at all is spelt so.
 */
static int find_spelling(const struct ck_tree *t, uint32_t dir, struct ck_span spelling,
			 unsigned flags, uint32_t *ret)
{
	struct ck_buf ck_auto_buf c = CK_BUF_INIT;
	enum ck_name_kind kind;
	uint64_t hash;

	kind = ck_name_decode(spelling, flags, &c, &hash);
	if (kind == CK_NAME_BAD)
		return ck_buf_failed(&c) ? -ENOMEM : -EINVAL;
	if (kind == CK_NAME_PLAIN) {
		*ret = find_child(t, dir, ck_span(c.p ? c.p : "", c.n));
		return *ret == UINT32_MAX ? -ENOENT : 0;
	}
	*ret = find_long(t, dir, hash, flags & CK_NAME_LAST);
	if (*ret == UINT32_MAX)
		return -ENOENT;
	/* The hash is right; what stands before it has to be right as well. */
	ck_name_encode(tree_component(t, *ret), flags, true, &c);
	return ck_span_cmp(ck_span(c.p, c.n), spelling) == 0 ? 0 : -EINVAL;
}

static bool take_suffix(struct ck_span *s, const char *suffix)
{
	size_t n = strlen(suffix);

	if (s->n <= n || memcmp(s->p + s->n - n, suffix, n) != 0)
		return false;
	s->n -= n;
	return true;
}

int ck_tree_find(const struct ck_tree *t, uint32_t root, uint32_t dir, struct ck_span name,
		 struct ck_entry *ret)
{
	unsigned at_root = dir == root || dir == 0 ? CK_NAME_ROOT : 0;
	struct ck_span base = name;
	uint32_t node;
	int file, folder;

	if (take_suffix(&base, ".json")) {
		file = find_spelling(t, dir, base, CK_NAME_LAST | at_root, &node);
		if (file == 0 && t->nodes[node].var == CK_NO_VAR)
			file = -ENOENT;
		if (file == 0)
			*ret = (struct ck_entry){ node, CK_KIND_JSON };
		return file;
	}
	if (take_suffix(&base, ".d")) {
		/* Also where no variable of that name exists: it means the same folder. */
		folder = find_spelling(t, dir, base, at_root, &node);
		if (folder == 0 && !t->nodes[node].nchildren)
			folder = -ENOENT;
		if (folder == 0)
			*ret = (struct ck_entry){ node, CK_KIND_DIR };
		return folder;
	}
	file = find_spelling(t, dir, name, CK_NAME_LAST | at_root, &node);
	if (file == 0 && t->nodes[node].var != CK_NO_VAR) {
		*ret = (struct ck_entry){ node, CK_KIND_DATA };
		return 0;
	}
	folder = find_spelling(t, dir, name, at_root, &node);
	if (folder == 0 && t->nodes[node].nchildren && t->nodes[node].var == CK_NO_VAR) {
		*ret = (struct ck_entry){ node, CK_KIND_DIR };
		return 0;
	}
	if (file == -ENOMEM || folder == -ENOMEM)
		return -ENOMEM;
	/* A name ending like a view is spelt right, though there is nothing of that name. */
	if (take_suffix(&base, ".npy") || take_suffix(&base, ".txt"))
		return -ENOENT;
	return file == -EINVAL && folder == -EINVAL ? -EINVAL : -ENOENT;
}

int ck_tree_find_path(const struct ck_tree *t, uint32_t root, uint32_t dir, const char *path,
		      struct ck_entry *ret)
{
	struct ck_entry e = { .node = dir, .kind = CK_KIND_DIR };

	for (;;) {
		size_t n;
		int r;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n)
			break;
		if (e.kind != CK_KIND_DIR)
			return -ENOTDIR;
		r = ck_tree_find(t, root, e.node, ck_span(path, n), &e);
		if (r < 0)
			return r;
		path += n;
	}
	*ret = e;
	return 0;
}

void ck_tree_spell(const struct ck_tree *t, uint32_t root, struct ck_entry e, struct ck_buf *out)
{
	const struct node *n = &t->nodes[e.node];
	unsigned flags = e.kind == CK_KIND_DIR ? 0 : CK_NAME_LAST;

	if (n->parent == root || n->parent == 0)
		flags |= CK_NAME_ROOT;
	ck_name_encode(tree_component(t, e.node), flags, true, out);
	if (e.kind == CK_KIND_JSON)
		ck_buf_str(out, ".json");
	else if (e.kind == CK_KIND_DIR && n->var != CK_NO_VAR)
		ck_buf_str(out, ".d");
}

uint32_t ck_tree_node_of(const struct ck_tree *t, uint32_t var)
{
	struct ck_span whole = ck_var_name(t->model, &t->model->vars[var]), name = whole;
	bool strippable = !t->options.raw_names && tree_strippable(whole);

	/* Without the suffix first; it was kept if that leads to another variable. */
	for (int keep = !strippable; keep < 2; keep++) {
		uint32_t node = 0;
		size_t at = 0;

		name.n = keep ? whole.n : whole.n - CK_TF2_SUFFIX_LEN;
		do {
			const uint8_t *end = memchr(name.p + at, t->options.sep, name.n - at);
			size_t n = end ? (size_t)(end - name.p) - at : name.n - at;

			node = find_child(t, node, ck_span(name.p + at, n));
			at += n + 1;
		} while (node != UINT32_MAX && at <= name.n);
		if (node != UINT32_MAX && t->nodes[node].var == var)
			return node;
	}
	return UINT32_MAX;
}
