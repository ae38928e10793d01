/*
 * test_stage_meta.c - what a variable is: V.json before and after its bytes, attributes, what one of
 * its name was before, all dtypes, byte orders, strings, TF2's suffix.
 */
#include "stagekit.h"
#include "tap.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>

#define JSON(dtype, shape) "{\"dtype\": \"" dtype "\", \"shape\": " shape "}"

static void test_order(void)
{
	struct ck_sfile *f;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	tap_ok(kit_text(&k, "a.json", JSON("int16", "[2, 3]")) == 0 && !kit_there(&k, "a") &&
		       kit_ls_is(&k, "", "a.json beta1_power.json beta1_power beta2_power.json "
					 "beta2_power dense/ dense_1/ dense_2/ global_step.json "
					 "global_step"),
	       "V.json before V");
	tap_ok(kit_publish(&k) == -EINVAL && strstr(kit_why(&k), "waits for its 12 bytes"),
	       "V is awaited: %s", kit_why(&k));
	tap_ok(kit_fill(&k, "a", 11, 1) == -EINVAL && kit_fill(&k, "a", 12, 1) == 0 &&
		       kit_publish(&k) == 0 && kit_published_fill(&k, "a", "int16[2,3]", 12, 1),
	       "and judged when it comes %s", kit_why(&k));
	tap_ok(kit_fill(&k, "b", 12, 1) == 0 && !kit_there(&k, "b.json") &&
		       kit_publish(&k) == -EINVAL && strstr(kit_why(&k), "dtype and shape") &&
		       kit_text(&k, "b.json", JSON("float32", "[3]")) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "b", "float32[3]", 12, 1),
	       "V before V.json %s", kit_why(&k));
	tap_ok(kit_text(&k, "b.json", "{\"shape\": [3, 1]}") == 0 && kit_publish(&k) == 0 &&
		       k.report.copied == 0 && kit_published_fill(&k, "b", "float32[3,1]", 12, 1) &&
		       kit_text(&k, "b.json", "{\"dtype\": \"int32\"}") == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "b", "int32[3,1]", 12, 1),
	       "the same bytes as something else %s", kit_why(&k));
	tap_ok(kit_text(&k, "b.json", "{\"shape\": [4]}") == 0 && kit_publish(&k) == -EINVAL &&
		       strstr(kit_why(&k), "16") && kit_fill(&k, "b", 16, 9) == 0 &&
		       kit_publish(&k) == 0 && kit_published_fill(&k, "b", "int32[4]", 16, 9),
	       "other bytes are awaited where it takes more %s", kit_why(&k));
	tap_ok(kit_text(&k, "b.json", "{\"dtype\": \"float33\"}") == -EINVAL &&
		       kit_text(&k, "b.json", "no JSON") == -EINVAL &&
		       kit_text(&k, "b.json", "{\"shape\": [-1]}") == -EINVAL &&
		       kit_text(&k, "b.json", "[]") == -EINVAL &&
		       strcmp(kit_member(&k, "b.json", "dtype"), "int32") == 0 &&
		       !ck_stage_dirty(k.s, NULL),
	       "what is wrong is refused: %s", kit_why(&k));
	kit_fopen(&k, "c.json", O_CREAT | O_WRONLY, &f);
	tap_ok(kit_fclose(&k, f) == 0 && !kit_there(&k, "c.json") && !kit_there(&k, "c") &&
		       kit_text(&k, "c.json", "{") == -EINVAL && !kit_there(&k, "c.json"),
	       "a V.json that never got a text is nothing");
	kit_text(&k, "d.json", JSON("uint8", "[4]"));
	tap_ok(kit_rm(&k, "d.json") == 0 && !kit_there(&k, "d.json") &&
		       !ck_stage_publish(k.s, 0, &k.report, &k.err) &&
		       kit_fill(&k, "d", 4, 1) == 0 &&
		       strcmp(kit_member(&k, "d.json", "shape"), "[4]") == 0,
	       "one that is removed comes back when V does");
	kit_done(&k);
}

static void test_attributes(void)
{
	char value[100], list[400];
	struct stat st;
	struct kit k;
	ssize_t n;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_find(&k, "dense/kernel", &st);
	n = ck_stage_getxattr(k.s, st.st_ino, "user.ckptfuse.shape", value, sizeof(value), NULL);
	tap_ok(n == 6 && memcmp(value, "[4, 8]", 6) == 0, "attributes say what V.json says");
	n = ck_stage_listxattr(k.s, st.st_ino, list, sizeof(list), NULL);
	tap_ok(n == 20 + 20 + 25 + 19 + 21 && ck_stage_getxattr(k.s, st.st_ino, "user.ckptfuse.shape",
		       value, 3, NULL) == -ERANGE &&
		       ck_stage_getxattr(k.s, st.st_ino, "user.nothing", value, 3, NULL) == -ENODATA &&
		       ck_stage_getxattr(k.s, st.st_ino, "user.ckptfuse.name", NULL, 0, NULL) == 12,
	       "as they should");
	kit_fill(&k, "a", 12, 1);
	tap_ok(kit_setxattr(&k, "a", "user.ckptfuse.dtype", "float32") == 0 &&
		       kit_setxattr(&k, "a", "user.ckptfuse.shape", "[3]") == 0 &&
		       kit_setxattr(&k, "a", "user.ckptfuse.name", "whatever") == 0 &&
		       kit_setxattr(&k, "a", "user.ckptfuse.crc32c", "00000000") == 0 &&
		       kit_setxattr(&k, "a", "user.mine", "kept") == 0 &&
		       kit_setxattr(&k, "a", "user.ckptfuse.else", "x") == -EINVAL &&
		       kit_setxattr(&k, "a", "user.ckptfuse.dtype", "x") == -EINVAL &&
		       kit_publish(&k) == 0 && kit_published_fill(&k, "a", "float32[3]", 12, 1),
	       "and are taken as V.json is: cp -a %s", kit_why(&k));
	kit_find(&k, "a", &st);
	tap_ok(ck_stage_getxattr(k.s, st.st_ino, "user.mine", value, 100, NULL) == 4 &&
		       ck_stage_removexattr(k.s, st.st_ino, "user.mine", NULL) == 0 &&
		       ck_stage_removexattr(k.s, st.st_ino, "user.mine", NULL) == -ENODATA &&
		       ck_stage_removexattr(k.s, st.st_ino, "user.ckptfuse.dtype", NULL) == -EPERM,
	       "others are kept while it is open");
	kit_fill(&k, ".a.tmp", 8, 1);
	kit_setxattr(&k, ".a.tmp", "user.ckptfuse.dtype", "int64");
	kit_setxattr(&k, ".a.tmp", "user.ckptfuse.shape", "[1]");
	tap_ok(kit_mv(&k, ".a.tmp", "a", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "a", "int64[1]", 8, 1),
	       "a temporary file brings its own: rsync -X %s", kit_why(&k));
	kit_done(&k);
}

static void test_json_names(void)
{
	struct ck_sfile *f;
	struct stat st;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	tap_ok(kit_rm(&k, "global_step") == 0 && kit_rm(&k, "global_step.json") == 0 &&
		       kit_rm(&k, "global_step.json") == -ENOENT && !kit_there(&k, "global_step.json"),
	       "rm V V.json");
	tap_ok(kit_rm(&k, "beta1_power.json") == 0 && kit_there(&k, "beta1_power") &&
		       !kit_there(&k, "beta1_power.json") && kit_rm(&k, "beta1_power") == 0 &&
		       kit_rm(&k, "beta1_power.json") == -ENOENT,
	       "rm V.json V");
	kit_mkdir(&k, "d");
	tap_ok(kit_mv(&k, "beta2_power", "d/beta2_power", 0) == 0 &&
		       kit_mv(&k, "beta2_power.json", "d/beta2_power.json", 0) == 0 &&
		       strcmp(kit_member(&k, "d/beta2_power.json", "name"), "d/beta2_power") == 0 &&
		       !kit_there(&k, "beta2_power.json") &&
		       kit_ls_is(&k, "d", "beta2_power.json beta2_power"),
	       "mv V V.json d/");
	tap_ok(kit_mv(&k, "dense/bias.json", "dense/bias.json~", 0) == 0 &&
		       !kit_there(&k, "dense/bias.json") && kit_size(&k, "dense/bias") == 32 &&
		       kit_text(&k, "dense/bias.json", "{\"shape\": [2, 4]}") == 0 &&
		       kit_rm(&k, "dense/bias.json~") == 0 &&
		       strcmp(kit_member(&k, "dense/bias.json", "shape"), "[2,4]") == 0,
	       "an editor moves V.json to a backup and writes a new one");
	kit_text(&k, ".bias.swp", "{\"shape\": [8, 1]}");
	tap_ok(kit_mv(&k, ".bias.swp", "dense/bias.json", RENAME_NOREPLACE) == -EEXIST &&
		       kit_mv(&k, ".bias.swp", "dense/bias.json", 0) == 0 &&
		       strcmp(kit_member(&k, "dense/bias.json", "shape"), "[8,1]") == 0 &&
		       !kit_there(&k, ".bias.swp"),
	       "or moves a new one there");
	kit_text(&k, ".wrong", "{\"shape\": \"many\"}");
	tap_ok(kit_mv(&k, ".wrong", "dense/bias.json", 0) == -EINVAL && kit_there(&k, ".wrong") &&
		       kit_mv(&k, ".wrong", "fresh.json", 0) == -EINVAL && !kit_there(&k, "fresh.json") &&
		       kit_mv(&k, "dense/kernel", "dense/bias.json", 0) == -EINVAL,
	       "unless it is none");
	tap_ok(kit_mv(&k, "dense/kernel.json", "elsewhere.json", 0) == 0 &&
		       kit_fill(&k, "elsewhere", 128, 1) == 0 &&
		       kit_publish(&k) == 0 && kit_sound(&k, 20) &&
		       kit_published_fill(&k, "elsewhere", "float32[4,8]", 128, 1),
	       "V.json may be moved to another variable %s", kit_why(&k));
	/* A handle on V.json shows what it showed, and is taken when it is closed. */
	kit_fopen(&k, "elsewhere.json", O_RDWR, &f);
	kit_rm(&k, "elsewhere");
	kit_fwrite(&k, f, 0, "{\"shape\": [32, 4]}                ", 34);
	ck_stage_file_truncate(f, 34, &k.err);
	tap_ok(kit_fclose(&k, f) == 0 && kit_publish(&k) == 0 && kit_sound(&k, 19),
	       "one of a variable that has gone meanwhile %s", kit_why(&k));
	tap_ok(kit_find(&k, "dense/bias.json", &st) == 0 && st.st_size > 50 && st.st_nlink == 1 &&
		       (st.st_ino & 7) == CK_STAGE_JSON && st.st_uid == 1 && st.st_gid == 2,
	       "its attributes");
	kit_done(&k);
}

/* Every dtype there is, copied from a checkpoint that has them all. */
static void test_dtypes(void)
{
	struct ck_stage_names names;
	struct kit from, to;
	unsigned n = 0, wrong = 0;
	struct stat st;

	kit_begin(&from, "alltypes", "model.ckpt");
	kit_begin(&to, NULL, NULL);
	kit_find(&from, "matrix", &st);
	ck_stage_list(from.s, st.st_ino, &names, &from.err);
	kit_mkdir(&to, "matrix");
	for (size_t i = 0; i < names.n; i++) {
		struct ck_buf ck_auto_buf b = CK_BUF_INIT;
		char path[300];

		snprintf(path, sizeof(path), "matrix/%s", names.v[i].name);
		if (kit_cat(&from, path, &b) < 0) {
			wrong++;
			continue;
		}
		wrong += kit_put(&to, path, b.p, b.n) != 0;
		n++;
	}
	ck_stage_names_done(&names);
	tap_ok(n > 40 && !wrong && kit_publish(&to) == 0 && kit_sound(&to, (int)(n / 2)),
	       "%u variables of %u dtypes %s", n / 2, n / 2, kit_why(&to));
	kit_rm_r(&from, "vector");
	kit_find(&from, "", &st);
	ck_stage_list(from.s, st.st_ino, &names, &from.err);
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.v[i].name, "matrix") != 0)
			kit_rm_r(&from, names.v[i].name);
	ck_stage_names_done(&names);
	tap_ok(kit_publish(&from) == 0 && kit_sum(from.prefix) == kit_sum(to.prefix),
	       "are the same in the new checkpoint %s", kit_why(&from));
	kit_done(&from);
	kit_done(&to);
}

static void test_byte_order(void)
{
	static const uint8_t big[] = { 0, 0, 0, 1, 0, 0, 0, 2 }, little[] = { 1, 0, 0, 0, 2, 0, 0, 0 };
	struct ck_buf ck_auto_buf b = CK_BUF_INIT;
	struct ck_sfile *f;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_text(&k, "a.json", "{\"dtype\": \"int32\", \"shape\": [2], \"byte_order\": \"big\"}");
	kit_put(&k, "a", big, 8);
	kit_fopen(&k, "a", O_RDONLY, &f);
	tap_ok(kit_is(&k, "a", big, 8) && kit_publish(&k) == 0 &&
		       kit_published(&k, "a", "int32[2]", little, 8),
	       "bytes of the other order are turned round %s", kit_why(&k));
	kit_fread(&k, f, &b);
	tap_ok(kit_is(&k, "a", little, 8) && b.n == 8 && memcmp(b.p, little, 8) == 0 &&
		       ck_stage_file_version(f) > 0 &&
		       strcmp(kit_member(&k, "a.json", "byte_order"), "little") == 0,
	       "and seen so from then on");
	kit_fclose(&k, f);
	tap_ok(kit_text(&k, "a.json", "{\"byte_order\": \"big\"}") == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "a", "int32[2]", big, 8),
	       "what is there is said to be of the other order %s", kit_why(&k));
	kit_text(&k, "c.json", "{\"dtype\": \"complex64\", \"shape\": [1], \"byte_order\": \"big\"}");
	kit_put(&k, "c", "\1\2\3\4\5\6\7\10", 8);
	kit_text(&k, "u.json", "{\"dtype\": \"uint8\", \"shape\": [8], \"byte_order\": \"big\"}");
	kit_put(&k, "u", "\1\2\3\4\5\6\7\10", 8);
	tap_ok(kit_publish(&k) == 0 &&
		       kit_published(&k, "c", "complex64[1]", "\4\3\2\1\10\7\6\5", 8) &&
		       kit_published(&k, "u", "uint8[8]", "\1\2\3\4\5\6\7\10", 8),
	       "complex numbers by their halves, bytes not at all %s", kit_why(&k));
	kit_done(&k);

	kit_begin(&k, "big-endian", "model.ckpt");
	kit_text(&k, "a.json", "{\"dtype\": \"int32\", \"shape\": [2], \"byte_order\": \"little\"}");
	kit_put(&k, "a", little, 8);
	kit_put(&k, "b", big, 8);
	kit_setxattr(&k, "b", "user.ckptfuse.dtype", "int32");
	kit_setxattr(&k, "b", "user.ckptfuse.shape", "[2]");
	kit_text(&k, "s.json", "{\"dtype\": \"string\", \"shape\": [2], \"lengths\": [3, 2]}");
	kit_put(&k, "s", "abcde", 5);
	tap_ok(kit_publish(&k) == 0 && kit_published(&k, "a", "int32[2]", big, 8) &&
		       kit_published(&k, "b", "int32[2]", big, 8) &&
		       kit_published(&k, "s", "string[2]", "abcde", 5) && kit_sound(&k, 67),
	       "a big endian checkpoint %s", kit_why(&k));
	kit_done(&k);
}

static void test_strings(void)
{
	struct kit k;
	char *lots = malloc(20001);

	memset(lots, 'x', 20000);
	kit_begin(&k, "strings", "model.ckpt");
	tap_ok(kit_text(&k, "scalar", "another text, longer than that was") == 0 &&
		       kit_publish(&k) == 0 &&
		       kit_published(&k, "scalar", "string[]", "another text, longer than that was", 34),
	       "a scalar is what is written %s", kit_why(&k));
	tap_ok(kit_pwrite(&k, "scalar", 0, "ANOTHER", 7) == 0 && kit_truncate(&k, "scalar", 12) == 0 &&
		       kit_publish(&k) == 0 &&
		       kit_published(&k, "scalar", "string[]", "ANOTHER text", 12) &&
		       kit_text(&k, "scalar", "") == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "scalar", "string[]", "", 0) &&
		       kit_put(&k, "scalar", lots, 20000) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "scalar", "string[]", lots, 20000) && kit_sound(&k, 19),
	       "edited, cut, emptied, long %s", kit_why(&k));
	tap_ok(kit_text(&k, "vector", "one two") == -EINVAL && kit_publish(&k) == -EINVAL &&
		       kit_text(&k, "vector.json", "{\"lengths\": [3, 4]}") == 0 &&
		       kit_publish(&k) == 0 && kit_published(&k, "vector", "string[2]", "one two", 7),
	       "a tensor takes lengths %s", kit_why(&k));
	tap_ok(kit_text(&k, "vector.json", "{\"lengths\": [1, 6]}") == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "vector", "string[2]", "one two", 7) && kit_reopen(&k) == 0 &&
		       strcmp(kit_member(&k, "vector.json", "lengths"), "[1,6]") == 0,
	       "which alone may change %s", kit_why(&k));
	tap_ok(kit_text(&k, "vector.json", "{\"shape\": [3], \"lengths\": [1, 2]}") == -EINVAL &&
		       kit_text(&k, "vector.json", "{\"shape\": [3], \"lengths\": [1, 2, 4]}") == 0 &&
		       kit_publish(&k) == 0 && kit_reopen(&k) == 0 &&
		       kit_published(&k, "vector", "string[3]", "one two", 7),
	       "with the shape %s", kit_why(&k));
	tap_ok(kit_text(&k, "scalar.json", JSON("uint8", "[100, 200]")) == 0 &&
		       kit_publish(&k) == 0 &&
		       kit_published(&k, "scalar", "uint8[100,200]", lots, 20000) &&
		       kit_text(&k, "scalar.json", JSON("string", "[]")) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "scalar", "string[]", lots, 20000) && kit_sound(&k, 19),
	       "a string becomes bytes, and bytes a string %s", kit_why(&k));
	tap_ok(kit_mv(&k, "many", "more", 0) == 0 && kit_publish(&k) == 0 && kit_has(&k, "more") &&
		       kit_pwrite(&k, "more", 0, "ZZ", 2) == 0 && kit_publish(&k) == 0 &&
		       kit_sound(&k, 19), "renamed, then edited inside %s", kit_why(&k));
	tap_ok(kit_text(&k, "none2.json", "{\"dtype\": \"string\", \"shape\": [0, 3]}") == 0 &&
		       kit_text(&k, "none2", "") == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "none2", "string[0,3]", "", 0), "none at all %s", kit_why(&k));
	free(lots);
	kit_done(&k);
}

#define SUFFIX "/.ATTRIBUTES/VARIABLE_VALUE"

static void test_tf2(void)
{
	struct kit k;

	kit_begin(&k, "tf2", "ckpt-2");
	tap_ok(kit_mv(&k, "network/hidden", "network/layers", 0) == 0 &&
		       kit_mv(&k, "step", "steps", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_has(&k, "network/layers/0/bias" SUFFIX) && kit_has(&k, "steps" SUFFIX) &&
		       kit_has(&k, "network/layers/0/bias/.OPTIMIZER_SLOT/optimizer/m" SUFFIX) &&
		       kit_sound(&k, 23),
	       "renamed variables keep the suffix %s", kit_why(&k));
	kit_fill(&k, ".tmp", 8, 1);
	tap_ok(kit_mv(&k, ".tmp", "steps", 0) == 0 && kit_rm(&k, "save_counter") == 0 &&
		       kit_fill(&k, "save_counter", 8, 3) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "steps" SUFFIX, "int64[]", 8, 1) &&
		       kit_published_fill(&k, "save_counter" SUFFIX, "int64[]", 8, 3),
	       "as do those that take its place %s", kit_why(&k));
	kit_text(&k, "plain.json", JSON("uint8", "[4]"));
	kit_fill(&k, "plain", 4, 1);
	kit_text(&k, "object.json", "{\"dtype\": \"uint8\", \"shape\": [4], \"name\": \"object" SUFFIX
		 "\"}");
	kit_fill(&k, "object", 4, 2);
	kit_fill(&k, "liar", 4, 2);
	kit_text(&k, "liar.json", "{\"dtype\": \"uint8\", \"shape\": [4], \"name\": \"else" SUFFIX "\"}");
	tap_ok(kit_publish(&k) == 0 && kit_published_fill(&k, "plain", "uint8[4]", 4, 1) &&
		       kit_published_fill(&k, "object" SUFFIX, "uint8[4]", 4, 2) && kit_has(&k, "liar"),
	       "V.json says whether a new one has it %s", kit_why(&k));
	kit_rm(&k, "object");
	kit_publish(&k);
	kit_fill(&k, "object", 4, 7);
	tap_ok(kit_reopen(&k) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "object" SUFFIX, "uint8[4]", 4, 7),
	       "and one of an earlier one's name, after recovery %s", kit_why(&k));
	tap_ok(kit_mv(&k, "object", ".object~", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_rm(&k, "plain") == 0 && kit_reopen(&k) == 0 &&
		       kit_mv(&k, ".object~", "back", 0) == 0 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "back" SUFFIX, "uint8[4]", 4, 7),
	       "a backup knows, too %s", kit_why(&k));
	kit_done(&k);
}

int main(void)
{
	tap_plan(43);
	test_order();
	test_attributes();
	test_json_names();
	test_dtypes();
	test_byte_order();
	test_strings();
	test_tf2();
	return tap_done();
}
