/*
 * fuzz_index.c - a whole index through a memory source, and all that a mount does with it.
 *
 * The input is the index, and every data file as well, so that offsets lead somewhere. It is
 * loaded as a mount would load it and as -o force would; then each variable's size, metadata,
 * values, bytes and checksum are asked for, and each path is made and found again.
 *
 * Checksums would stop nearly every mutation at the door, so the mutator repairs those of all
 * blocks that the footer leads to.
 */
#include "core/meta.h"
#include "core/read.h"
#include "core/show.h"
#include "core/tree.h"
#include "format/tf_bundle.h"

#include "repair.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) __attribute__((weak));

#define VARS_MAX 40
#define READ_MAX 5000

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	const struct ck_span *data = arg;

	(void)num;
	if (id == 7)
		return ck_fail(err, CK_CORRUPT, 5, "a missing shard");
	return ck_source_mem(data->p, data->n, "data", ret, err);
}

static void look_at(struct ck_model *m, uint32_t var)
{
	static const struct ck_show_options summary = { .all = false };
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	static uint8_t bytes[READ_MAX];
	uint64_t size = 0, json = 0;

	if (ck_meta_var(m, var, true, &text, NULL) == 0 &&
	    (ck_meta_var_size(m, var, &json, NULL) < 0 || json != text.n))
		abort();
	ck_buf_clear(&text);
	ck_meta_row(m, var, &text);
	if (ck_var_size(m, var, &size, NULL) < 0 || ck_var_readable(m, var, NULL) < 0)
		return;
	if (size) {
		size_t n = size < READ_MAX ? (size_t)size : READ_MAX;

		ck_var_read(m, var, 0, bytes, n, NULL);
		ck_var_read(m, var, size - n, bytes, n, NULL);
		ck_var_map(m, var, size - 1, 1);
	}
	ck_buf_clear(&text);
	ck_show_var(m, var, &summary, &text, NULL);
	if (m->vars[var].nbytes < 1 << 20)
		ck_var_verify(m, var, NULL);
}

static void look_at_tree(struct ck_model *m, char sep)
{
	struct ck_tree_options o = { .sep = sep };
	struct ck_tree *t;

	if (ck_tree_build(m, &o, &t, NULL) < 0)
		return;
	for (uint32_t i = 0; i < m->nvars && i < VARS_MAX; i++) {
		struct ck_buf ck_auto_buf name = CK_BUF_INIT;
		uint32_t node = ck_tree_node_of(t, i);
		struct ck_entry e = { node, CK_KIND_DATA }, found;

		if (node == UINT32_MAX)
			abort();
		ck_tree_spell(t, 0, e, &name);
		if (ck_tree_find(t, 0, ck_tree_parent(t, node), ck_span(name.p, name.n), &found) ||
		    found.node != node || found.kind != CK_KIND_DATA)
			abort();
	}
	for (uint32_t i = 0; i < ck_tree_nodes(t) && i < VARS_MAX; i++) {
		struct ck_entry e;

		for (uint64_t pos = 0; pos < 3 * VARS_MAX && ck_tree_list(t, i, &pos, &e); pos++) {
			struct ck_buf ck_auto_buf name = CK_BUF_INIT;

			ck_tree_spell(t, 0, e, &name);
		}
	}
	ck_tree_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ck_span all = ck_span(data, size);
	struct ck_tf_shards shards = { .open = open_shard, .arg = &all };

	for (int force = 0; force < 2; force++) {
		struct ck_model *m = ck_model_new("tensorflow", "fuzz");
		struct ck_source *index;
		struct ck_err err = CK_ERR_INIT;

		ck_source_mem(data, size, "index", &index, NULL);
		if (ck_tf_bundle_load(m, index, &shards, force, &err) == 0) {
			for (uint32_t i = 0; i < m->nvars && i < VARS_MAX; i++)
				look_at(m, i);
			look_at_tree(m, force ? '.' : '/');
		} else if (err.cls == CK_OK || !err.text[0]) {
			abort(); /* refused without a word */
		}
		ck_source_unref(index);
		ck_model_unref(m);
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	(void)seed;
	size = LLVMFuzzerMutate(data, size, most);
	repair_table(data, size);
	return size;
}
