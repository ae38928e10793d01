/*
 * tree_list.c - a folder's entries in natural order.
 *
 * Children are stored in memcmp order, which finding needs. The natural order is computed when a
 * folder is first listed; where it is the same (zero-padded numbers, or none) nothing is stored.
 */
#include "core/tree_private.h"

#include "util/natural.h"

#include <errno.h>
#include <stdlib.h>

static int by_nature(const void *a, const void *b, void *arg)
{
	const struct ck_tree *t = arg;

	return ck_natural_cmp(tree_component(t, *(const uint32_t *)a),
			      tree_component(t, *(const uint32_t *)b));
}

static enum listed sort_locked(struct ck_tree *t, uint32_t dir)
{
	uint32_t first = t->nodes[dir].first, n = t->nodes[dir].nchildren, i = first + 1;

	for (; i < first + n; i++)
		if (ck_natural_cmp(tree_component(t, i - 1), tree_component(t, i)) > 0)
			break;
	if (i >= first + n)
		return AS_STORED;
	for (i = first; i < first + n; i++)
		t->listing[i] = i;
	qsort_r(t->listing + first, n, sizeof(*t->listing), by_nature, t);
	return PERMUTED;
}

static uint32_t child_at(struct ck_tree *t, uint32_t dir, uint32_t i)
{
	uint8_t how = __atomic_load_n(&t->listed[dir], __ATOMIC_ACQUIRE);

	if (how == UNLISTED) {
		pthread_mutex_lock(&t->lock);
		how = t->listed[dir];
		if (how == UNLISTED) {
			how = (uint8_t)sort_locked(t, dir);
			__atomic_store_n(&t->listed[dir], how, __ATOMIC_RELEASE);
		}
		pthread_mutex_unlock(&t->lock);
	}
	i += t->nodes[dir].first;
	return how == PERMUTED ? t->listing[i] : i;
}

bool ck_tree_list(struct ck_tree *t, uint32_t dir, uint64_t *pos, struct ck_entry *ret)
{
	/* JSON first, so that who copies a folder sees the shape before the bytes. */
	static const enum ck_kind kinds[] = { CK_KIND_JSON, CK_KIND_DATA, CK_KIND_DIR };
	uint64_t end = 3 * (uint64_t)t->nodes[dir].nchildren;

	for (; *pos < end; ++*pos) {
		uint32_t child = child_at(t, dir, (uint32_t)(*pos / 3));
		enum ck_kind kind = kinds[*pos % 3];
		const struct node *n = &t->nodes[child];

		if (kind == CK_KIND_DIR ? n->nchildren > 0 : n->var != CK_NO_VAR) {
			*ret = (struct ck_entry){ child, kind };
			return true;
		}
	}
	return false;
}

int ck_tree_walk(struct ck_tree *t, uint32_t node, int (*fn)(void *arg, uint32_t var), void *arg)
{
	struct level {
		uint32_t dir;
		uint64_t pos;
	} *stack = NULL;
	size_t depth = 1, room = 64;
	int r = 0;

	/* No recursion: the depth is the file's to say. */
	stack = malloc(room * sizeof(*stack));
	if (!stack)
		return -ENOMEM;
	stack[0] = (struct level){ .dir = node };
	while (depth && r == 0) {
		struct level *top = &stack[depth - 1];
		struct ck_entry e;

		if (!ck_tree_list(t, top->dir, &top->pos, &e)) {
			depth--;
			continue;
		}
		top->pos++;
		if (e.kind == CK_KIND_DATA) {
			r = fn(arg, t->nodes[e.node].var);
		} else if (e.kind == CK_KIND_DIR) {
			if (depth == room) {
				struct level *p = realloc(stack, 2 * room * sizeof(*p));

				if (!p) {
					r = -ENOMEM;
					break;
				}
				stack = p;
				room *= 2;
			}
			stack[depth++] = (struct level){ .dir = e.node };
		}
	}
	free(stack);
	return r;
}
