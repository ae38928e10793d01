/*
 * tree_private.h - the inside of a tree, shared by the files that build and list it.
 */
#ifndef CK_CORE_TREE_PRIVATE_H
#define CK_CORE_TREE_PRIVATE_H

#include "core/names.h"
#include "core/tree.h"

#include <pthread.h>

/* Inode numbers have 36 bits for a node; 32 are plenty. */
#define CK_TREE_NODES_MAX ((size_t)UINT32_MAX - 1)

struct node {
	uint64_t component; /* first byte in the model's names pool */
	uint32_t len;
	uint32_t parent;
	uint32_t first; /* its children are nodes first .. first + nchildren - 1 */
	uint32_t nchildren;
	uint32_t nsubdirs;
	uint32_t var; /* CK_NO_VAR: a folder only */
};
_Static_assert(sizeof(struct node) == 32, "a node is to stay small");

/* A node whose spelling is cut, to be found by its hash. */
struct long_name {
	uint64_t hash;
	uint32_t parent;
	uint32_t node;
	unsigned flags; /* CK_NAME_LAST or 0: the spelling as a file or as a folder */
};

enum listed {
	UNLISTED, /* the natural order of its children is not known yet */
	AS_STORED, /* it is the order in which they are stored */
	PERMUTED, /* listing[first ...] holds it */
};

struct ck_tree {
	struct ck_model *model;
	struct ck_tree_options options;
	struct node *nodes;
	uint32_t nnodes;
	struct long_name *longs; /* by parent, hash */
	uint32_t nlong;
	pthread_mutex_t lock; /* over a folder's first listing */
	uint8_t *listed; /* enum listed by folder; read with acquire, set under lock */
	uint32_t *listing; /* nodes in natural order, for each folder where its children lie */
};

#define CK_TF2_SUFFIX_LEN (sizeof(CK_TF2_SUFFIX) - 1)

/* Whether the name ends in the suffix and something is left without it. */
static inline bool tree_strippable(struct ck_span name)
{
	return name.n > CK_TF2_SUFFIX_LEN &&
	       memcmp(name.p + name.n - CK_TF2_SUFFIX_LEN, CK_TF2_SUFFIX, CK_TF2_SUFFIX_LEN) == 0;
}

static inline struct ck_span tree_component(const struct ck_tree *t, uint32_t node)
{
	return ck_span(t->model->names + t->nodes[node].component, t->nodes[node].len);
}

#endif
