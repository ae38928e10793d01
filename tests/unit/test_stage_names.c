/*
 * test_stage_names.c - names that change: files, scopes, V.json and what is left of it, spellings.
 */
#include "stagekit.h"
#include "tap.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>

#define JSON(dtype, shape) "{\"dtype\": \"" dtype "\", \"shape\": " shape "}"

static void test_files(void)
{
	struct ck_buf ck_auto_buf kernel = CK_BUF_INIT, bias = CK_BUF_INIT;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_cat(&k, "dense/kernel", &kernel);
	kit_cat(&k, "dense/bias", &bias);
	tap_ok(kit_mv(&k, "dense/kernel", "dense_1/moved", 0) == 0 && !kit_there(&k, "dense/kernel") &&
		       kit_is(&k, "dense_1/moved", kernel.p, 128) &&
		       strcmp(kit_member(&k, "dense_1/moved.json", "name"), "dense_1/moved") == 0 &&
		       strcmp(kit_member(&k, "dense_1/moved.json", "shape"), "[4,8]") == 0,
	       "a variable moves, and its metadata with it");
	tap_ok(kit_ls_is(&k, "dense", "bias.json bias bias.d/ kernel.d/") &&
		       kit_size(&k, "dense/kernel.d/Adam") == 128,
	       "its scope's folder keeps its spelling");
	tap_ok(kit_publish(&k) == 0 && k.report.variables == 1 && k.report.copied == 0 &&
		       strcmp(k.report.how, "index only") == 0 &&
		       kit_published(&k, "dense_1/moved", "float32[4,8]", kernel.p, 128) &&
		       !kit_has(&k, "dense/kernel") && kit_sound(&k, 21),
	       "published by the index alone %s", kit_why(&k));
	tap_ok(kit_mv(&k, "dense_1/moved", "a", 0) == 0 && kit_mv(&k, "a", "b", 0) == 0 &&
		       kit_mv(&k, "dense/bias", "a", 0) == 0 && kit_mv(&k, "b", "dense/bias", 0) == 0 &&
		       kit_mv(&k, "a", "dense/kernel", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "dense/bias", "float32[4,8]", kernel.p, 128) &&
		       kit_published(&k, "dense/kernel", "float32[8]", bias.p, 32) && kit_sound(&k, 21),
	       "chains and swaps in one publish %s", kit_why(&k));
	tap_ok(kit_mv(&k, "dense/bias", "dense/kernel", RENAME_EXCHANGE) == 0 &&
		       kit_publish(&k) == 0 &&
		       kit_published(&k, "dense/kernel", "float32[4,8]", kernel.p, 128) &&
		       kit_published(&k, "dense/bias", "float32[8]", bias.p, 32),
	       "and exchanged at once %s", kit_why(&k));
	tap_ok(kit_mv(&k, "dense/bias", "dense/kernel", RENAME_NOREPLACE) == -EEXIST &&
		       kit_mv(&k, "dense/bias", "nothing", RENAME_EXCHANGE) == -ENOENT &&
		       kit_mv(&k, "dense/bias", "dense/kernel", RENAME_WHITEOUT) == -EINVAL &&
		       kit_mv(&k, "dense/bias", "dense/kernel.json", RENAME_EXCHANGE) == -EINVAL &&
		       kit_mv(&k, "dense/kernel.json", "dense/bias", RENAME_EXCHANGE) == -EINVAL &&
		       kit_mv(&k, "nothing", "x", 0) == -ENOENT &&
		       kit_mv(&k, "dense/bias", "100%", 0) == -EINVAL &&
		       kit_mv(&k, "dense/bias", "dense_1/bias/x", 0) == -ENOTDIR &&
		       kit_mv(&k, "dense/bias", "dense_1", 0) == -EISDIR,
	       "what cannot be");
	tap_ok(!ck_stage_dirty(k.s, NULL), "and is no edit");
	tap_ok(kit_mv(&k, "dense/bias", "dense_1/bias", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "dense_1/bias", "float32[8]", bias.p, 32) && kit_sound(&k, 20),
	       "onto another variable, which it replaces %s", kit_why(&k));
	kit_done(&k);
}

/* A name that is used again after its variable was deleted, in all orders. */
static void test_used_again(void)
{
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_rm(&k, "dense/bias");
	tap_ok(kit_fill(&k, "dense/bias", 32, 1) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "dense/bias", "float32[8]", 32, 1),
	       "deleted and made again it is what it was %s", kit_why(&k));
	kit_rm(&k, "dense/bias");
	tap_ok(kit_discard(&k, NULL) == 0 && kit_is_fill(&k, "dense/bias", 32, 1) &&
		       kit_rm(&k, "global_step") == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "dense/bias", "float32[8]", 32, 1) && kit_sound(&k, 20),
	       "the earlier deletion is not published again %s", kit_why(&k));
	kit_mv(&k, "dense", "renamed", 0);
	kit_rm(&k, "renamed/bias");
	kit_publish(&k);
	tap_ok(kit_fill(&k, "renamed/bias", 32, 2) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "renamed/bias", "float32[8]", 32, 2) &&
		       kit_sound(&k, 20),
	       "nor under another name of the scope %s", kit_why(&k));
	kit_done(&k);
}

static void test_scopes(void)
{
	struct ck_buf ck_auto_buf before = CK_BUF_INIT, b = CK_BUF_INIT;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_cat(&k, "dense/kernel.d/Adam", &before);
	kit_pwrite(&k, "dense/kernel.d/Adam", 0, "edited", 6);
	memcpy(before.p, "edited", 6);
	tap_ok(kit_mv(&k, "dense", "fc", 0) == 0 &&
		       kit_is(&k, "fc/kernel.d/Adam", before.p, before.n) &&
		       strcmp(kit_member(&k, "fc/kernel.json", "name"), "fc/kernel") == 0 &&
		       strcmp(kit_member(&k, "fc/kernel.d/Adam.json", "name"), "fc/kernel/Adam") == 0,
	       "a scope moves with all below it");
	tap_ok(kit_size(&k, "fc/kernel.json") > 0 &&
		       kit_setxattr(&k, "fc/bias", "user.note", "x") == 0 &&
		       strcmp(kit_member(&k, "fc/bias.json", "name"), "fc/bias") == 0,
	       "what was looked at has its new name, too: %s",
	       kit_member(&k, "fc/bias.json", "name"));
	tap_ok(kit_mv(&k, "fc/kernel.d", "fc/kernel.d/below", 0) == -EINVAL &&
		       kit_mv(&k, "fc", "dense_1", 0) == -ENOTEMPTY &&
		       kit_mv(&k, "fc", "global_step", 0) == -ENOTDIR &&
		       kit_mv(&k, "fc", "global_step.json", 0) == -ENOTDIR &&
		       kit_mv(&k, "fc/bias.d", "fc/bias", 0) == -ENOTDIR,
	       "not into itself, nor onto what is not empty");
	tap_ok(kit_publish(&k) == 0 && k.report.variables == 6 && kit_sound(&k, 21) &&
		       kit_published(&k, "fc/kernel/Adam", "float32[4,8]", before.p, before.n) &&
		       !kit_has(&k, "dense/kernel"), "published %s", kit_why(&k));
	tap_ok(strcmp(kit_member(&k, "fc/bias.json", "name"), "fc/bias") == 0 &&
		       strcmp(kit_member(&k, "fc/kernel.json", "name"), "fc/kernel") == 0,
	       "and named so afterwards");
	kit_mkdir(&k, "empty");
	tap_ok(kit_mv(&k, "fc/kernel.d", "empty", 0) == 0 && kit_mv(&k, "fc", "empty/fc", 0) == 0 &&
		       kit_mv(&k, "empty", "deep", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_has(&k, "deep/Adam") && kit_has(&k, "deep/fc/kernel") &&
		       kit_has(&k, "deep/fc/bias/Adam_1") && kit_sound(&k, 21),
	       "onto an empty folder, into one another %s", kit_why(&k));
	tap_ok(kit_rmdir(&k, "deep") == -ENOTEMPTY && kit_rm(&k, "deep") == -EISDIR &&
		       kit_rmdir(&k, "global_step") == -ENOTDIR && kit_rm_r(&k, "deep") == 0 &&
		       !kit_there(&k, "deep") && kit_publish(&k) == 0 && kit_sound(&k, 15),
	       "a scope is deleted %s", kit_why(&k));
	kit_ls(&k, "", &b);
	tap_ok(kit_rm_r(&k, "dense_1") == 0 && kit_rm_r(&k, "dense_2") == 0 &&
		       kit_rm(&k, "global_step") == 0 && kit_rm(&k, "beta1_power") == 0 &&
		       kit_rm(&k, "beta2_power") == 0 && kit_ls_is(&k, "", "") &&
		       kit_publish(&k) == 0 && kit_sound(&k, 0) && kit_reopen(&k) == 0 &&
		       kit_ls_is(&k, "", ""),
	       "and all there is %s", kit_why(&k));
	tap_ok(kit_fill(&k, "first", 4, 1) == 0 && kit_text(&k, "first.json", JSON("int8", "[4]")) == 0 &&
		       kit_publish(&k) == 0 && kit_published_fill(&k, "first", "int8[4]", 4, 1),
	       "after which something new may begin %s", kit_why(&k));
	kit_done(&k);
}

static void test_spellings(void)
{
	struct stat st, same;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	tap_ok(kit_find(&k, "dense", &same) == 0 && kit_find(&k, "dense.d", &st) == 0 &&
		       (st.st_ino & 7) == CK_STAGE_ALIAS && st.st_ino >> 3 == same.st_ino >> 3 &&
		       kit_size(&k, "dense.d/bias.d/Adam") == 32 &&
		       !kit_there(&k, "dense/bias.d.d") && !kit_there(&k, "global_step.d"),
	       "a folder has a second spelling where no variable is called so");
	tap_ok(kit_fill(&k, "dense", 4, 1) == -EISDIR && kit_text(&k, "dense.json", "{}") == -EISDIR &&
		       kit_mkdir(&k, "dense.d") == -EEXIST && kit_mkdir(&k, "dense") == -EEXIST &&
		       kit_mkdir(&k, "global_step") == -EEXIST && kit_mkdir(&k, "dense/bias") == -EEXIST,
	       "nothing else may be called like it");
	tap_ok(kit_mv(&k, "dense", "dense.d", 0) == 0 && kit_ls_is(&k, "dense.d",
		       "bias.json bias bias.d/ kernel.json kernel kernel.d/") &&
		       !kit_there(&k, "dense") && kit_fill(&k, "dense", 4, 1) == 0 &&
		       kit_text(&k, "dense.json", JSON("uint8", "[2,2]")) == 0 &&
		       kit_publish(&k) == 0 && kit_sound(&k, 22) &&
		       kit_published_fill(&k, "dense", "uint8[2,2]", 4, 1) && kit_has(&k, "dense/bias"),
	       "but a variable, once it is spelt with .d %s", kit_why(&k));
	tap_ok(kit_mv(&k, "dense.d", "dense", 0) == -ENOTDIR && kit_rm(&k, "dense") == 0 &&
		       kit_mv(&k, "dense.d", "dense", 0) == 0 && kit_size(&k, "dense/bias") == 32 &&
		       kit_publish(&k) == 0 && kit_sound(&k, 21), "and back %s", kit_why(&k));
	tap_ok(kit_mkdir(&k, "global_step.d") == 0 && kit_fill(&k, "global_step.d/sub", 8, 1) == 0 &&
		       kit_text(&k, "global_step.d/sub.json", JSON("int64", "[]")) == 0 &&
		       kit_publish(&k) == 0 && kit_has(&k, "global_step/sub") &&
		       kit_rm(&k, "global_step") == 0 &&
		       kit_ls_is(&k, "global_step.d", "sub.json sub"),
	       "a scope below a variable %s", kit_why(&k));
	tap_ok(kit_fill(&k, "50%25", 4, 1) == 0 && kit_fill(&k, "a%2Ejson", 4, 1) == 0 &&
		       kit_fill(&k, "%2Ehidden", 4, 1) == 0 && kit_fill(&k, "50%", 4, 1) == -EINVAL &&
		       kit_fill(&k, "%41", 4, 1) == -EINVAL && kit_fill(&k, "x.npy.json", 4, 1) < 0 &&
		       kit_find(&k, "50%", &st) == -EINVAL && kit_find(&k, "51%25", &st) == -ENOENT,
	       "names are spelt by the rules");
	kit_text(&k, "50%25.json", JSON("uint8", "[4]"));
	kit_text(&k, "a%2Ejson.json", JSON("uint8", "[4]"));
	kit_text(&k, "%2Ehidden.json", JSON("uint8", "[4]"));
	tap_ok(kit_publish(&k) == 0 && kit_has(&k, "50%") && kit_has(&k, "a.json") &&
		       kit_has(&k, ".hidden") && kit_reopen(&k) == 0 && kit_is_fill(&k, "50%25", 4, 1) &&
		       kit_is_fill(&k, "a%2Ejson", 4, 1) && kit_is_fill(&k, "%2Ehidden", 4, 1),
	       "and undone %s", kit_why(&k));
	kit_done(&k);
}

/* Names over 250 bytes are cut: their spelling alone does not say what they are. */
static void test_cut(void)
{
	struct ck_stage_names names;
	char path[600], json[1610], member[1600], name[1500];
	struct kit k;
	bool found = false;
	uint64_t size;

	kit_begin(&k, "names", "model.ckpt");
	ck_stage_list(k.s, CK_STAGE_ROOT, &names, &k.err);
	for (size_t i = 0; i < names.n && !found; i++) {
		if ((names.v[i].ino & 7) != CK_STAGE_DATA || !strstr(names.v[i].name, "%~"))
			continue;
		found = true;
		snprintf(path, sizeof(path), "%s", names.v[i].name);
	}
	ck_stage_names_done(&names);
	if (!tap_ok(found, "there is a name that is cut"))
		abort();
	snprintf(json, sizeof(json), "%s.json", path);
	snprintf(name, sizeof(name), "%s", kit_member(&k, json, "name"));
	tap_ok(*name && strcmp(name, path) != 0, "V.json has it whole");
	size = kit_size(&k, path);
	kit_fill(&k, ".tmp", size, 1);
	tap_ok(kit_mv(&k, ".tmp", path, 0) == 0 && kit_publish(&k) == 0 && kit_has(&k, name),
	       "a temporary file takes its place %s", kit_why(&k));
	kit_rm(&k, path);
	kit_fill(&k, path, size, 2);
	tap_ok(kit_publish(&k) == 0 && kit_has(&k, name), "it is deleted and made again %s",
	       kit_why(&k));
	kit_mkdir(&k, "other");
	snprintf(member, sizeof(member), "other/%s", path);
	tap_ok(kit_mv(&k, path, member, 0) == 0 && kit_publish(&k) == 0 && !kit_has(&k, name),
	       "it moves %s", kit_why(&k));
	memmove(name + 6, name, strlen(name) + 1);
	memcpy(name, "other/", 6);
	snprintf(json, sizeof(json), "%s.json", member);
	tap_ok(kit_has(&k, name) && strcmp(kit_member(&k, json, "name"), name) == 0 &&
		       kit_reopen(&k) == 0 && kit_there(&k, member), "as a whole");
	/* A new one has to say what it is called, and is believed only what its spelling says. */
	for (int i = 6; name[i]; i++)
		name[i] = 'n';
	snprintf(path, sizeof(path), "%.232s%s", name + 6, "%~0123456789abcdef");
	kit_fill(&k, path, 4, 1);
	snprintf(json, sizeof(json), "%s.json", path);
	kit_text(&k, json, JSON("uint8", "[4]"));
	tap_ok(kit_publish(&k) == -EINVAL && strstr(kit_why(&k), "\"name\""), "a new one: %s",
	       kit_why(&k));
	snprintf(member, sizeof(member), "{\"name\": \"%s\"}", name + 6);
	tap_ok(kit_text(&k, json, member) == 0 && kit_publish(&k) == -EINVAL,
	       "whose hash is of another name");
	kit_done(&k);
}

static void test_flat(void)
{
	struct kit k;

	kit_init(&k, "saver", "model.ckpt-100");
	k.o.subdir = "dense";
	kit_open(&k);
	tap_ok(kit_ls_is(&k, "", "bias.json bias bias.d/ kernel.json kernel kernel.d/"),
	       "a subfolder is the root");
	kit_fill(&k, "new", 4, 1);
	kit_text(&k, "new.json", JSON("uint8", "[4]"));
	kit_mv(&k, "bias.d", "moved", 0);
	kit_rm(&k, "kernel");
	tap_ok(strcmp(kit_member(&k, "new.json", "name"), "dense/new") == 0 && kit_publish(&k) == 0 &&
		       kit_has(&k, "dense/new") && kit_has(&k, "dense/moved/Adam") &&
		       !kit_has(&k, "dense/kernel") && kit_has(&k, "global_step") && kit_sound(&k, 21),
	       "names have what is above it %s", kit_why(&k));
	kit_fill(&k, "new", 4, 2);
	tap_ok(kit_reopen(&k) == 0 && kit_is_fill(&k, "new", 4, 2) && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "dense/new", NULL, 4, 2), "after recovery, too %s",
	       kit_why(&k));
	kit_done(&k);

	kit_init(&k, "saver", "model.ckpt-100");
	k.o.tree.sep = '_';
	kit_open(&k);
	kit_mkdir(&k, "a");
	kit_fill(&k, "a/b", 4, 1);
	kit_text(&k, "a/b.json", JSON("uint8", "[4]"));
	kit_mv(&k, "global", "local", 0);
	tap_ok(kit_publish(&k) == 0 && kit_has(&k, "a_b") && kit_has(&k, "local_step") &&
		       kit_sound(&k, 22), "another separator %s", kit_why(&k));
	kit_done(&k);
}

int main(void)
{
	tap_plan(39);
	test_files();
	test_used_again();
	test_scopes();
	test_spellings();
	test_cut();
	test_flat();
	return tap_done();
}
