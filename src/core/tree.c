/*
 * tree.c - building the tree; tree_find.c finds in it, tree_list.c lists it.
 *
 * Building sorts the variables component by component (the separator below every other byte; most
 * checkpoints come in that order) and then makes the nodes breadth first: all variables below a
 * folder are a range of the sorted list, each run of one component in that range is a child.
 */
#include "core/tree_private.h"

#include <errno.h>
#include <stdlib.h>

/* What building needs and a finished tree does not. */
struct build {
	struct ck_tree *t;
	uint32_t *order; /* variables by component; NULL: as they are */
	uint8_t *stripped; /* bit by variable: its TF2 suffix is left out */
	struct range {
		uint32_t lo, hi; /* of order: what lies below the node */
		uint32_t at; /* where the next component starts in these names */
	} *ranges;
	size_t room;
};

static bool is_stripped(const struct build *b, uint32_t var)
{
	return b->stripped[var / 8] >> (var % 8) & 1;
}

/* The name that becomes the path. */
static struct ck_span shown(const struct build *b, uint32_t var)
{
	struct ck_span name = ck_var_name(b->t->model, &b->t->model->vars[var]);

	if (is_stripped(b, var))
		name.n -= CK_TF2_SUFFIX_LEN;
	return name;
}

static uint32_t ordered(const struct build *b, uint32_t i)
{
	return b->order ? b->order[i] : i;
}

static int shown_cmp(const void *pa, const void *pb, void *arg)
{
	const struct build *b = arg;
	struct ck_span x = shown(b, *(const uint32_t *)pa), y = shown(b, *(const uint32_t *)pb);
	uint8_t sep = (uint8_t)b->t->options.sep;
	size_t n = x.n < y.n ? x.n : y.n, i = 0;

	while (i < n && x.p[i] == y.p[i])
		i++;
	if (i == n)
		return (x.n > y.n) - (x.n < y.n);
	if (x.p[i] == sep || y.p[i] == sep)
		return x.p[i] == sep ? -1 : 1;
	return x.p[i] < y.p[i] ? -1 : 1;
}

static bool in_order(struct build *b, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t x = i - 1;

		if (shown_cmp(&x, &i, b) >= 0)
			return false;
	}
	return true;
}

/*
 * Sorts, and gives the suffix back to a name that would collide with another without it. Two names
 * can only collide where one is the other with the suffix, so one more round settles it.
 */
static int sort_names(struct build *b, struct ck_err *err)
{
	struct ck_model *m = b->t->model;
	bool collided;

	if (in_order(b, m->nvars))
		return 0;
	b->order = malloc(m->nvars * sizeof(*b->order));
	if (!b->order)
		return ck_fail_nomem(err, m->path);
	for (uint32_t i = 0; i < m->nvars; i++)
		b->order[i] = i;
	do {
		collided = false;
		qsort_r(b->order, m->nvars, sizeof(*b->order), shown_cmp, b);
		for (uint32_t i = 1; i < m->nvars; i++) {
			uint32_t x = b->order[i - 1], y = b->order[i];

			if (shown_cmp(&x, &y, b) != 0)
				continue;
			if (!is_stripped(b, x))
				x = y;
			b->stripped[x / 8] &= (uint8_t)~(1u << (x % 8));
			collided = true;
		}
	} while (collided);
	return 0;
}

static void strip_suffixes(struct build *b)
{
	struct ck_model *m = b->t->model;

	for (uint32_t i = 0; i < m->nvars; i++) {
		struct ck_span name = ck_var_name(m, &m->vars[i]);

		if (tree_strippable(name))
			b->stripped[i / 8] |= (uint8_t)(1u << (i % 8));
	}
}

static int new_node(struct build *b, struct ck_err *err)
{
	struct ck_tree *t = b->t;

	if (t->nnodes == b->room) {
		size_t room = b->room ? 2 * b->room : 64;
		struct node *nodes;
		struct range *ranges;

		if (room > CK_TREE_NODES_MAX)
			room = CK_TREE_NODES_MAX;
		if (t->nnodes == room)
			return ck_fail(err, CK_UNSUPPORTED, EFBIG, "%s: has too many folders",
				       t->model->path);
		nodes = realloc(t->nodes, room * sizeof(*nodes));
		if (nodes)
			t->nodes = nodes;
		ranges = realloc(b->ranges, room * sizeof(*ranges));
		if (ranges)
			b->ranges = ranges;
		if (!nodes || !ranges)
			return ck_fail_nomem(err, t->model->path);
		b->room = room;
	}
	t->nodes[t->nnodes] = (struct node){ .var = CK_NO_VAR };
	b->ranges[t->nnodes] = (struct range){ 0 };
	t->nnodes++;
	return 0;
}

/* The component of a shown name that starts at byte at. */
static struct ck_span component(const struct build *b, struct ck_span name, uint32_t at)
{
	const uint8_t *p = name.p + at, *end = memchr(p, b->t->options.sep, name.n - at);

	return ck_span(p, end ? (size_t)(end - p) : name.n - at);
}

/* Makes the children of node parent out of its range. */
static int make_children(struct build *b, uint32_t parent, struct ck_err *err)
{
	struct ck_tree *t = b->t;
	struct range range = b->ranges[parent];
	uint32_t i = range.lo;

	t->nodes[parent].first = t->nnodes;
	while (i < range.hi) {
		struct ck_span name = shown(b, ordered(b, i));
		struct ck_span c = component(b, name, range.at), d;
		uint32_t me = t->nnodes;
		int r = new_node(b, err);

		if (r < 0)
			return r;
		t->nodes[me].component = (uint64_t)(c.p - (const uint8_t *)t->model->names);
		t->nodes[me].len = (uint32_t)c.n;
		t->nodes[me].parent = parent;
		t->nodes[parent].nchildren++;
		if (range.at + c.n == name.n)
			t->nodes[me].var = ordered(b, i++);
		b->ranges[me].at = range.at + (uint32_t)c.n + 1;
		b->ranges[me].lo = i;
		for (; i < range.hi; i++) {
			name = shown(b, ordered(b, i));
			d = component(b, name, range.at);
			if (ck_span_cmp(c, d) != 0)
				break;
		}
		b->ranges[me].hi = i;
		if (b->ranges[me].lo < i)
			t->nodes[parent].nsubdirs++;
	}
	return 0;
}

/* Notes the nodes whose spelling is cut, to be found by their hash. */
static int note_long(struct ck_tree *t, uint32_t node, unsigned flags, struct ck_err *err)
{
	struct long_name l = { .parent = t->nodes[node].parent, .node = node, .flags = flags };

	if (!ck_name_long_hash(tree_component(t, node), flags, &l.hash))
		return 0;
	if ((t->nlong & (t->nlong - 1)) == 0) {
		void *p = realloc(t->longs, (t->nlong ? 2 * (size_t)t->nlong : 1) * sizeof(l));

		if (!p)
			return ck_fail_nomem(err, t->model->path);
		t->longs = p;
	}
	t->longs[t->nlong++] = l;
	return 0;
}

static int long_cmp(const void *a, const void *b)
{
	const struct long_name *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

static int note_all_long(struct ck_tree *t, struct ck_err *err)
{
	int r = 0;

	for (uint32_t i = 1; i < t->nnodes && r == 0; i++) {
		if (t->nodes[i].len <= CK_SPELLING_MAX / 3)
			continue;
		if (t->nodes[i].var != CK_NO_VAR)
			r = note_long(t, i, CK_NAME_LAST, err);
		if (r == 0 && t->nodes[i].nchildren)
			r = note_long(t, i, 0, err);
	}
	if (t->nlong)
		qsort(t->longs, t->nlong, sizeof(*t->longs), long_cmp);
	return r;
}

static int build(struct build *b, struct ck_err *err)
{
	struct ck_tree *t = b->t;
	struct node *nodes;
	int r;

	b->stripped = calloc(t->model->nvars / 8 + 1, 1);
	if (!b->stripped)
		return ck_fail_nomem(err, t->model->path);
	if (!t->options.raw_names)
		strip_suffixes(b);
	r = sort_names(b, err);
	if (r == 0)
		r = new_node(b, err);
	if (r < 0)
		return r;
	b->ranges[0] = (struct range){ .hi = t->model->nvars };
	for (uint32_t i = 0; i < t->nnodes && r == 0; i++)
		if (b->ranges[i].lo < b->ranges[i].hi)
			r = make_children(b, i, err);
	if (r < 0)
		return r;
	nodes = realloc(t->nodes, t->nnodes * sizeof(*nodes));
	if (nodes)
		t->nodes = nodes;
	/* Touched only where a folder is listed. */
	t->listed = calloc(t->nnodes, sizeof(*t->listed));
	t->listing = calloc(t->nnodes, sizeof(*t->listing));
	if (!t->listed || !t->listing)
		return ck_fail_nomem(err, t->model->path);
	return note_all_long(t, err);
}

int ck_tree_build(struct ck_model *m, const struct ck_tree_options *o, struct ck_tree **ret,
		  struct ck_err *err)
{
	struct build b = { .t = calloc(1, sizeof(*b.t)) };
	int r;

	if (!b.t)
		return ck_fail_nomem(err, m->path);
	b.t->model = ck_model_ref(m);
	b.t->options = *o;
	pthread_mutex_init(&b.t->lock, NULL);
	r = build(&b, err);
	free(b.order);
	free(b.stripped);
	free(b.ranges);
	if (r < 0)
		ck_tree_free(b.t);
	else
		*ret = b.t;
	return r;
}

struct ck_tree *ck_tree_free(struct ck_tree *t)
{
	if (!t)
		return NULL;
	pthread_mutex_destroy(&t->lock);
	ck_model_unref(t->model);
	free(t->listing);
	free(t->listed);
	free(t->longs);
	free(t->nodes);
	free(t);
	return NULL;
}

struct ck_model *ck_tree_model(const struct ck_tree *t)
{
	return t->model;
}

uint32_t ck_tree_parent(const struct ck_tree *t, uint32_t node)
{
	return t->nodes[node].parent;
}

uint32_t ck_tree_var(const struct ck_tree *t, uint32_t node)
{
	return t->nodes[node].var;
}

struct ck_span ck_tree_component(const struct ck_tree *t, uint32_t node)
{
	return tree_component(t, node);
}

bool ck_tree_suffixed(const struct ck_tree *t, uint32_t node)
{
	struct ck_span c = tree_component(t, node), name;

	if (t->nodes[node].var == CK_NO_VAR)
		return false;
	name = ck_var_name(t->model, &t->model->vars[t->nodes[node].var]);
	return c.p + c.n != name.p + name.n;
}

uint32_t ck_tree_children(const struct ck_tree *t, uint32_t node, uint32_t *first)
{
	*first = t->nodes[node].first;
	return t->nodes[node].nchildren;
}

bool ck_tree_is_dir(const struct ck_tree *t, uint32_t node)
{
	return node == 0 || t->nodes[node].nchildren > 0;
}

uint32_t ck_tree_subdirs(const struct ck_tree *t, uint32_t node)
{
	return t->nodes[node].nsubdirs;
}

uint32_t ck_tree_nodes(const struct ck_tree *t)
{
	return t->nnodes;
}
