/*
 * test_stage_publish.c - what publishing writes, where, and what it leaves alone.
 */
#include "stagekit.h"
#include "tap.h"

#include "core/ckpt.h"
#include "core/read.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON(dtype, shape) "{\"dtype\": \"" dtype "\", \"shape\": " shape "}"
#define DATA ".data-00000-of-00001"

static void test_nothing(void)
{
	struct kit k;
	uint64_t sum;

	kit_begin(&k, "saver", "model.ckpt-100");
	sum = kit_folder_sum(&k);
	tap_ok(kit_publish(&k) == 0 && k.report.nothing && kit_folder_sum(&k) == sum,
	       "nothing is published where nothing was staged");
	kit_size(&k, "dense/kernel.json");
	kit_setxattr(&k, "dense/kernel", "user.x", "y");
	kit_text(&k, ".scratch", "x");
	kit_mkdir(&k, "d");
	kit_rm(&k, ".scratch");
	kit_rmdir(&k, "d");
	kit_mv(&k, "dense", "x", 0);
	kit_mv(&k, "x", "dense", 0);
	tap_ok(kit_publish(&k) == 0 && k.report.nothing && kit_file_size(&k, DATA) == 1396,
	       "nor where edits came to nothing %s", kit_why(&k));
	sum = kit_folder_sum(&k);
	kit_close(&k);
	tap_ok(kit_files(&k) == 3 && kit_folder_sum(&k) == sum, "nothing is left");
	tap_ok(kit_open(&k) == 0 && kit_close(&k) == 0 && kit_folder_sum(&k) == sum,
	       "by looking, either");
	kit_done(&k);
}

/* A checkpoint written from scratch in the order in which TensorFlow writes it has its index. */
static void test_same_index(void)
{
	struct kit from, to;
	char cmd[4000];
	struct ck_model *m = NULL;

	kit_begin(&from, "saver", "model.ckpt-100");
	kit_begin(&to, NULL, NULL);
	ck_open_prefix(&ck_vfs_posix, from.prefix, CK_OPEN_RAW, &m, NULL);
	for (uint32_t i = 0; m && i < m->nvars; i++) {
		struct ck_span name = ck_var_name(m, &m->vars[i]);
		struct ck_buf ck_auto_buf b = CK_BUF_INIT, json = CK_BUF_INIT;
		struct ck_sfile *f;
		struct stat st;
		uint64_t dir;
		char *file, spelt[300];

		ck_stage_place(from.s, name, false, &dir, &file, NULL);
		ck_stage_lookup(from.s, dir, file, &st, NULL);
		ck_stage_file_open(from.s, st.st_ino, O_RDONLY, &f, NULL);
		kit_fread(&from, f, &b);
		ck_stage_file_release(f);
		snprintf(spelt, sizeof(spelt), "%s.json", file);
		ck_stage_lookup(from.s, dir, spelt, &st, NULL);
		ck_stage_file_open(from.s, st.st_ino, O_RDONLY, &f, NULL);
		kit_fread(&from, f, &json);
		ck_stage_file_release(f);
		free(file);
		ck_stage_place(to.s, name, true, &dir, &file, NULL);
		ck_stage_create(to.s, dir, file, O_TRUNC, 0644, &f, &st, NULL);
		ck_stage_file_write(f, b.p, b.n, 0, NULL);
		kit_fclose(&to, f);
		snprintf(spelt, sizeof(spelt), "%s.json", file);
		ck_stage_create(to.s, dir, spelt, O_TRUNC, 0644, &f, &st, NULL);
		ck_stage_file_write(f, json.p, json.n, 0, NULL);
		kit_fclose(&to, f);
		free(file);
	}
	ck_model_unref(m);
	tap_ok(kit_publish(&to) == 0 && to.report.variables == 21 && to.report.copied == 0 &&
		       kit_sum(from.prefix) == kit_sum(to.prefix),
	       "a checkpoint from nothing %s", kit_why(&to));
	snprintf(cmd, sizeof(cmd), "cmp %s.index %s.index && cmp %s%s %s%s", from.prefix, to.prefix,
		 from.prefix, DATA, to.prefix, DATA);
	tap_ok(system(cmd) == 0, "is byte for byte what TensorFlow wrote");
	kit_done(&from);
	kit_done(&to);
}

static void test_reports(void)
{
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fill(&k, "new", 1000, 1);
	kit_text(&k, "new.json", JSON("uint8", "[1000]"));
	tap_ok(kit_publish(&k) == 0 && strcmp(k.report.how, "replace") == 0 &&
		       k.report.variables == 1 && k.report.copied == 0 && k.report.in_place == 0 &&
		       k.report.index == kit_file_size(&k, ".index") && !*k.report.shards &&
		       strcmp(k.report.target, k.prefix) == 0,
	       "a new variable: its bytes are written once");
	kit_pwrite(&k, "new", 5, "edit", 4);
	tap_ok(kit_publish(&k) == 0 && strcmp(k.report.how, "replace") == 0 &&
		       k.report.copied == 1000 && kit_sound(&k, 22), "an edit inside a small one: copied");
	k.o.how = CK_PUBLISH_INPLACE;
	kit_reopen(&k);
	kit_pwrite(&k, "new", 900, "edit", 4);
	kit_pwrite(&k, "dense/bias", 30, "ab", 2);
	kit_rm(&k, "global_step");
	tap_ok(kit_publish(&k) == 0 && strcmp(k.report.how, "in place") == 0 &&
		       k.report.copied == 0 && k.report.in_place == 6 && k.report.variables == 3 &&
		       kit_sound(&k, 21), "in place: %llu bytes", (unsigned long long)k.report.in_place);
	kit_pwrite(&k, "new", 901, "DI", 2);
	kit_fill(&k, "dense/kernel", 128, 4);
	tap_ok(kit_publish(&k) == 0 && strcmp(k.report.how, "both") == 0 && kit_sound(&k, 21) &&
		       kit_published_fill(&k, "dense/kernel", NULL, 128, 4),
	       "and something new as well %s", kit_why(&k));
	kit_mv(&k, "new", "old", 0);
	tap_ok(kit_publish(&k) == 0 && strcmp(k.report.how, "index only") == 0 && kit_sound(&k, 21),
	       "a rename: the index alone");
	kit_done(&k);
}

/* The published bytes of an index as somebody has it open, read from the files as they are now. */
static bool still_reads(struct ck_model *m, const char *name, size_t n, uint8_t first)
{
	uint32_t var = ck_model_find(m, ck_span(name, strlen(name)));
	uint8_t *p = malloc(n);
	bool same = var != CK_NO_VAR && ck_var_verify(m, var, NULL) == 0 &&
		    ck_var_read(m, var, 0, p, n, NULL) == 0;

	for (size_t i = 0; i < n && same; i++)
		same = p[i] == (uint8_t)(first + i);
	free(p);
	return same;
}

static void test_quarantine(void)
{
	enum { N = 5000, PUBLISHES = 300 };
	struct ck_model *old[3] = { NULL };
	uint64_t largest = 0;
	unsigned wrong = 0;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fill(&k, "v", N, 0);
	kit_text(&k, "v.json", JSON("uint8", "[5000]"));
	kit_publish(&k);
	for (unsigned i = 1; i <= PUBLISHES; i++) {
		/* Whoever opened the index of one or two publishes ago reads on. */
		ck_model_unref(old[i % 3]);
		old[i % 3] = NULL;
		ck_open_prefix(&ck_vfs_posix, k.prefix, CK_OPEN_RAW, &old[i % 3], NULL);
		wrong += kit_fill(&k, "v", N, (uint8_t)i) != 0;
		for (unsigned back = 1; back <= 3 && back <= i; back++)
			wrong += !still_reads(old[(i - back + 1) % 3], "v", N, (uint8_t)(i - back));
		wrong += kit_publish(&k) != 0;
		wrong += !still_reads(old[i % 3], "v", N, (uint8_t)(i - 1));
		if (i >= 2)
			wrong += !still_reads(old[(i - 1) % 3], "v", N, (uint8_t)(i - 2));
		if (i % 50 == 0)
			wrong += kit_reopen(&k) != 0;
		if (kit_file_size(&k, DATA) > largest)
			largest = kit_file_size(&k, DATA);
	}
	for (unsigned i = 0; i < 3; i++)
		ck_model_unref(old[i]);
	tap_ok(!wrong, "readers of earlier indexes (%u wrong) %s", wrong, kit_why(&k));
	tap_ok(kit_sound(&k, 22) && largest < 1396 + 5 * N,
	       "%u publishes of one variable: never more than %llu bytes", PUBLISHES,
	       (unsigned long long)largest);
	kit_rm(&k, "v");
	kit_publish(&k);
	tap_ok(ck_stage_compact(k.s, &k.report, &k.err) == 0 && kit_reopen(&k) == 0 &&
		       kit_file_size(&k, DATA) == 1396 && kit_sound(&k, 21) &&
		       k.report.freed > N, "compacted: %llu bytes are given back %s",
	       (unsigned long long)k.report.freed, kit_why(&k));
	kit_done(&k);
}

static void test_trim(void)
{
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fill(&k, "v", 100000, 0);
	ck_stage_sync(k.s, &k.err);
	tap_ok(kit_file_size(&k, DATA) >= 101396 && kit_discard(&k, NULL) == 0 &&
		       kit_file_size(&k, DATA) == 1396 && !kit_file(&k, ".ckptfuse-journal"),
	       "a discard gives back what was written %s", kit_why(&k));
	kit_fill(&k, "dense/bias", 32, 0);
	kit_fill(&k, "v", 100000, 0);
	tap_ok(kit_discard(&k, "v") == 0 && !kit_there(&k, "v") && kit_discard(&k, "v") == -ENOENT &&
		       kit_is_fill(&k, "dense/bias", 32, 0) && kit_publish(&k) == 0 &&
		       kit_file_size(&k, DATA) < 3000 && kit_sound(&k, 21),
	       "of one file, too, once it is published %s (%llu)", kit_why(&k),
	       (unsigned long long)kit_file_size(&k, DATA));
	kit_done(&k);
}

static void test_links(void)
{
	char other[300], cmd[4000];
	struct kit k;

	kit_init(&k, "saver", "model.ckpt-100");
	k.o.how = CK_PUBLISH_INPLACE;
	snprintf(other, sizeof(other), "%s/hard", k.folder);
	link(kit_path(&k, DATA), other);
	snprintf(cmd, sizeof(cmd), "cp %s %s/was && cmp %s %s/was", other, k.folder, other, k.folder);
	kit_open(&k);
	kit_pwrite(&k, "dense/kernel", 0, "abc", 3);
	kit_fill(&k, "dense/bias", 32, 5);
	tap_ok(system(cmd) == 0 && kit_publish(&k) == 0 && k.report.in_place == 0 &&
		       !kit_file(&k, DATA) && kit_file(&k, ".data-00000-of-00002") &&
		       kit_file(&k, ".data-00001-of-00002") && kit_sound(&k, 21) &&
		       strcmp(k.report.how, "new") == 0,
	       "a data file with another name is not written to: a new one is made %s", kit_why(&k));
	snprintf(cmd, sizeof(cmd), "cmp %s %s/was", other, k.folder);
	tap_ok(system(cmd) == 0, "the other name has what it had");
	kit_pwrite(&k, "dense/kernel", 4, "defg", 4);
	kit_pwrite(&k, "dense_1/kernel", 4, "defg", 4);
	tap_ok(kit_publish(&k) == 0 && k.report.in_place == 4 && kit_sound(&k, 21) &&
		       kit_file(&k, ".data-00001-of-00002") && system(cmd) == 0,
	       "the new one is ours, the old one still not %s", kit_why(&k));
	tap_ok(kit_reopen(&k) == 0 && kit_rm(&k, "global_step") == 0 && kit_publish(&k) == 0 &&
		       kit_sound(&k, 20), "and so on %s", kit_why(&k));
	tap_ok(ck_stage_compact(k.s, &k.report, &k.err) == 0 && kit_file(&k, DATA) &&
		       !kit_file(&k, ".data-00000-of-00002") && kit_sound(&k, 20) && system(cmd) == 0 &&
		       kit_reopen(&k) == 0,
	       "compacted it is one file again %s", kit_why(&k));
	kit_done(&k);

	kit_init(&k, "saver", "model.ckpt-100");
	k.o.how = CK_PUBLISH_INPLACE;
	snprintf(cmd, sizeof(cmd), "cd %s && mkdir blobs && mv m%s blobs/x && ln -s blobs/x m%s && "
		 "cp blobs/x was", k.folder, DATA, DATA);
	if (system(cmd) != 0)
		abort();
	kit_open(&k);
	kit_pwrite(&k, "dense/kernel", 0, "abc", 3);
	snprintf(cmd, sizeof(cmd), "cd %s && cmp blobs/x was && test -L m.data-00000-of-00002",
		 k.folder);
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 21) && system(cmd) == 0,
	       "what a symlink leads to is not written to %s", kit_why(&k));
	kit_mv(&k, "dense", "fc", 0);
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 21) && system(cmd) == 0, "nor by a rename");
	kit_done(&k);
}

/* A variable without bytes where nothing may be appended. */
static void test_empty(void)
{
	char other[300];
	struct kit k;

	kit_init(&k, "saver", "model.ckpt-100");
	snprintf(other, sizeof(other), "%s/hard", k.folder);
	link(kit_path(&k, DATA), other);
	kit_open(&k);
	kit_text(&k, "none.json", JSON("float32", "[0]"));
	tap_ok(kit_text(&k, "none", "") == 0 && kit_publish(&k) == 0 && kit_sound(&k, 22) &&
		       kit_published(&k, "none", "float32[0]", "", 0) && kit_file(&k, DATA),
	       "a variable without bytes needs no new file %s", kit_why(&k));
	tap_ok(kit_text(&k, "none.json", JSON("float32", "[2, 0]")) == 0 && kit_publish(&k) == 0 &&
		       kit_published(&k, "none", "float32[2,0]", "", 0) && kit_file(&k, DATA) &&
		       !kit_file(&k, ".ckptfuse-data"), "nor does a new shape of it %s", kit_why(&k));
	tap_ok(kit_text(&k, "none.json", JSON("float32", "[1]")) == 0 &&
		       kit_fill(&k, "none", 4, 1) == 0 && kit_publish(&k) == 0 && kit_sound(&k, 22),
	       "bytes do %s", kit_why(&k));
	kit_done(&k);
}

static void test_stale(void)
{
	struct kit k;
	char cmd[4000];
	FILE *f;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_rm(&k, "dense/bias");
	snprintf(cmd, sizeof(cmd), "cd %s && cp m.index x && mv x m.index", k.folder);
	tap_ok(!ck_stage_is_stale(k.s) && system(cmd) == 0 && ck_stage_is_stale(k.s) &&
		       kit_publish(&k) == -ESTALE && kit_has(&k, "dense/bias") &&
		       kit_file(&k, ".ckptfuse-journal"),
	       "an index that was replaced: %s", kit_why(&k));
	tap_ok(kit_reopen(&k) == 0 && !kit_there(&k, "dense/bias") && kit_publish(&k) == 0 &&
		       !kit_has(&k, "dense/bias"), "the edits are kept, for the same content %s",
	       kit_why(&k));
	kit_rm(&k, "dense/kernel");
	f = fopen(kit_path(&k, DATA), "a");
	fputs("somebody else", f);
	fclose(f);
	tap_ok(kit_publish(&k) == -ESTALE && kit_fill(&k, "x", 5, 1) == -ESTALE,
	       "a data file that was written to: %s", kit_why(&k));
	kit_done(&k);
}

int main(void)
{
	tap_plan(29);
	test_nothing();
	test_same_index();
	test_reports();
	test_quarantine();
	test_trim();
	test_links();
	test_empty();
	test_stale();
	return tap_done();
}
