/*
 * tree.h - the folders and files that a checkpoint's variables are shown as.
 *
 * Nodes are name components, in one array: node 0 is the root, the children of a folder lie beside
 * each other in memcmp order of the component. A node can be a variable (V and V.json), a folder,
 * or both (V, V.json and V.d). Spellings are computed when asked for, never stored, so a node is
 * 32 bytes.
 *
 * Listings are in natural order (layer2 before layer10); that order is computed when a folder is
 * first listed, under the tree's lock. Everything else is immutable and needs no lock.
 */
#ifndef CK_CORE_TREE_H
#define CK_CORE_TREE_H

#include "model/model.h"
#include "util/buf.h"

struct ck_tree;

/* What TensorFlow's object-based checkpoints put behind every variable's path, and paths leave out
 * (tensorflow/python/trackable/trackable_utils.py). */
#define CK_TF2_SUFFIX "/.ATTRIBUTES/VARIABLE_VALUE"

/* What of a node a path names. Inode numbers rise in this order (V.json lies below V). */
enum ck_kind {
	CK_KIND_JSON, /* V.json */
	CK_KIND_DIR, /* the folder: N, or V.d where V is a variable as well */
	CK_KIND_DATA, /* V */
};

struct ck_tree_options {
	char sep; /* '/', or what -o sep= says */
	bool raw_names; /* keep TF2's /.ATTRIBUTES/VARIABLE_VALUE in paths */
};

struct ck_entry {
	uint32_t node;
	enum ck_kind kind;
};

/* Builds the tree of m (a reference is taken). */
int ck_tree_build(struct ck_model *m, const struct ck_tree_options *o, struct ck_tree **ret,
		  struct ck_err *err);
/* Accepts NULL; returns NULL. */
struct ck_tree *ck_tree_free(struct ck_tree *t);

struct ck_model *ck_tree_model(const struct ck_tree *t);
uint32_t ck_tree_parent(const struct ck_tree *t, uint32_t node); /* the root's is the root */
uint32_t ck_tree_var(const struct ck_tree *t, uint32_t node); /* CK_NO_VAR: a folder only */
/* The part of the name that the node adds to its parent's. */
struct ck_span ck_tree_component(const struct ck_tree *t, uint32_t node);
/* Whether the variable's path leaves out TF2's suffix. */
bool ck_tree_suffixed(const struct ck_tree *t, uint32_t node);
/* The children are nodes *first ... *first + n - 1; answers n. */
uint32_t ck_tree_children(const struct ck_tree *t, uint32_t node, uint32_t *first);
bool ck_tree_is_dir(const struct ck_tree *t, uint32_t node);
uint32_t ck_tree_subdirs(const struct ck_tree *t, uint32_t node); /* folders right below it */
uint32_t ck_tree_nodes(const struct ck_tree *t); /* how many there are, root included */

/* The file called name in folder dir: 0, -ENOENT, or -EINVAL for a spelling that no variable can
 * have. root: folder that is the mount's root (0 without subdir=), where .ckptfuse lies. */
int ck_tree_find(const struct ck_tree *t, uint32_t root, uint32_t dir, struct ck_span name,
		 struct ck_entry *ret);

/* The same for a path of several components from dir; empty components are skipped. */
int ck_tree_find_path(const struct ck_tree *t, uint32_t root, uint32_t dir, const char *path,
		      struct ck_entry *ret);

/* The pos-th entry of a folder's listing; false past the end. Every child counts three positions
 * (JSON, DATA, DIR), those it lacks being stepped over: *pos becomes the position of the entry
 * returned, so that *pos + 1 goes on behind it. */
bool ck_tree_list(struct ck_tree *t, uint32_t dir, uint64_t *pos, struct ck_entry *ret);

/* Appends the entry's file name (without the path). */
void ck_tree_spell(const struct ck_tree *t, uint32_t root, struct ck_entry e, struct ck_buf *out);

/* The node that shows a variable, or UINT32_MAX. */
uint32_t ck_tree_node_of(const struct ck_tree *t, uint32_t var);

/* Calls fn for every variable below node, in listing order. Stops at the first non-zero answer,
 * which is returned. */
int ck_tree_walk(struct ck_tree *t, uint32_t node, int (*fn)(void *arg, uint32_t var), void *arg);

#endif
