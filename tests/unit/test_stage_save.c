/*
 * test_stage_save.c - publishing to another place, making a checkpoint, and publishes that are cut
 * short.
 */
#include "stagekit.h"
#include "tap.h"

#include "../crash/faulty.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON(dtype, shape) "{\"dtype\": \"" dtype "\", \"shape\": " shape "}"
#define DATA ".data-00000-of-00001"

static void begin_save(struct kit *k, const char *data, const char *name)
{
	kit_init(k, data, name);
	snprintf(k->save, sizeof(k->save), "%s/copy", k->folder);
	k->o.save = k->save;
}

/* How many data files the copy has. */
static int data_files(struct kit *k)
{
	char cmd[4000];
	FILE *p;
	int n = -1;

	snprintf(cmd, sizeof(cmd), "ls %s.data-* 2>/dev/null | wc -l", k->save);
	p = popen(cmd, "r");
	if (fscanf(p, "%d", &n) != 1)
		n = -1;
	pclose(p);
	return n;
}

static void test_save(void)
{
	char cmd[4000];
	struct kit k;

	begin_save(&k, "saver", "model.ckpt-100");
	snprintf(cmd, sizeof(cmd), "cd %s && for f in m.*; do stat -c '%%n %%i %%s %%Y %%y' $f; "
		 "sum < $f; done > $OUT", k.folder);
	setenv("OUT", "before", 1);
	tap_ok(system(cmd) == 0 && kit_open(&k) == 0 && kit_publish(&k) == 0 && !k.report.nothing &&
		       kit_sum(k.prefix) == kit_sum(k.save) && strcmp(k.report.target, k.save) == 0,
	       "a copy of what is there, when somebody asks %s", kit_why(&k));
	kit_close(&k);
	tap_ok(kit_open(&k) == -EEXIST && k.err.cls == CK_USAGE, "which is not overwritten: %s",
	       kit_why(&k));
	kit_done(&k);

	begin_save(&k, "saver", "model.ckpt-100");
	snprintf(cmd, sizeof(cmd), "cd %s && for f in m.*; do stat -c '%%n %%i %%s %%y' $f; "
		 "sum < $f; done > $OUT", k.folder);
	setenv("OUT", "/dev/null", 1);
	snprintf(cmd + strlen(cmd), sizeof(cmd) - strlen(cmd), " && for f in m.*; do stat -c "
		 "'%%n %%i %%s %%y' $f; sum < $f; done > now && { [ ! -e was ] && cp now was; "
		 "cmp now was; }");
	tap_ok(system(cmd) == 0 && kit_open(&k) == 0 &&
		       ck_stage_publish(k.s, 0, &k.report, &k.err) == 0 && k.report.nothing &&
		       !kit_file(&k, ".ckptfuse-journal") && data_files(&k) == 0,
	       "nothing is copied for nobody's asking");
	kit_pwrite(&k, "dense/kernel", 0, "abc", 3);
	kit_fill(&k, "dense/bias", 32, 9);
	kit_mv(&k, "dense_1", "fc", 0);
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 21) && kit_has(&k, "fc/kernel") &&
		       kit_published_fill(&k, "dense/bias", "float32[8]", 32, 9) && system(cmd) == 0 &&
		       *k.report.shards,
	       "edits go there, the source is untouched (%s) %s", k.report.shards, kit_why(&k));
	kit_pwrite(&k, "dense/kernel", 5, "def", 3);
	kit_fill(&k, "dense/bias", 32, 19);
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 21) &&
		       kit_published_fill(&k, "dense/bias", "float32[8]", 32, 19) && system(cmd) == 0,
	       "as do later ones %s", kit_why(&k));
	for (int i = 0; i < 20; i++) {
		kit_fill(&k, "dense/bias", 32, (uint8_t)i);
		kit_publish(&k);
	}
	tap_ok(kit_sound(&k, 21) && data_files(&k) <= 3 && system(cmd) == 0,
	       "to the same data files: %d %s", data_files(&k), kit_why(&k));
	kit_done(&k);

	begin_save(&k, "sliced", "model.ckpt");
	k.o.how = CK_PUBLISH_INPLACE;
	kit_open(&k);
	kit_pwrite(&k, "grid_3x2", 0, "abcd", 4);
	tap_ok(kit_publish(&k) == 0 && k.report.in_place == 0 && kit_sound(&k, 30),
	       "slices %s", kit_why(&k));
	kit_pwrite(&k, "grid_3x2", 2, "xyz", 3);
	kit_pwrite(&k, "rank4", 2, "xyz", 3);
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 30) && kit_is(&k, "global_step", NULL, 0) == false,
	       "and again %s", kit_why(&k));
	kit_rm(&k, "rank1");
	tap_ok(kit_close(&k) == 0 && kit_open(&k) == -EEXIST, "staged edits of a copy");
	kit_done(&k);
}

static void test_save_recovered(void)
{
	struct kit k;
	FILE *f;

	begin_save(&k, "saver", "model.ckpt-100");
	kit_open(&k);
	kit_fill(&k, "dense/bias", 32, 9);
	kit_rm(&k, "global_step");
	tap_ok(kit_reopen(&k) == 0 && kit_is_fill(&k, "dense/bias", 32, 9) &&
		       !kit_there(&k, "global_step") && kit_publish(&k) == 0 && kit_sound(&k, 20) &&
		       kit_published_fill(&k, "dense/bias", "float32[8]", 32, 9),
	       "recovered before anything was published %s", kit_why(&k));
	kit_done(&k);

	begin_save(&k, "saver", "model.ckpt-100");
	kit_open(&k);
	kit_rm(&k, "global_step");
	f = fopen(k.save, "w");
	fclose(f);
	snprintf(k.save + strlen(k.save), 10, ".index");
	f = fopen(k.save, "w");
	fputs("somebody else's", f);
	fclose(f);
	tap_ok(kit_publish(&k) == -ESTALE, "a checkpoint that came to be there: %s", kit_why(&k));
	kit_done(&k);
}

static void test_create(void)
{
	struct kit k;

	kit_begin(&k, NULL, NULL);
	tap_ok(kit_ls_is(&k, "", "") && kit_files(&k) == 0, "nothing");
	kit_mkdir(&k, "a");
	kit_fill(&k, "a/v", 8, 1);
	kit_text(&k, "a/v.json", JSON("int64", "[]"));
	tap_ok(kit_reopen(&k) == 0 && kit_is_fill(&k, "a/v", 8, 1), "recovered %s", kit_why(&k));
	tap_ok(kit_publish(&k) == 0 && kit_published_fill(&k, "a/v", "int64[]", 8, 1) &&
		       kit_file(&k, DATA) && !kit_file(&k, ".ckptfuse-data") && kit_sound(&k, 1),
	       "published %s", kit_why(&k));
	kit_fill(&k, "a/w", 8, 2);
	kit_text(&k, "a/w.json", JSON("uint8", "[8]"));
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 2) && kit_file(&k, DATA), "and more %s",
	       kit_why(&k));
	kit_close(&k);
	tap_ok(kit_open(&k) == -EEXIST, "not over it: %s", kit_why(&k));
	kit_done(&k);

	kit_begin(&k, NULL, NULL);
	kit_text(&k, "none.json", JSON("float32", "[0, 5]"));
	kit_text(&k, "none", "");
	tap_ok(kit_publish(&k) == 0 && kit_published(&k, "none", "float32[0,5]", "", 0) &&
		       kit_file(&k, DATA), "with nothing in it but emptiness %s", kit_why(&k));
	kit_done(&k);

	kit_begin(&k, NULL, NULL);
	tap_ok(ck_stage_publish(k.s, 0, &k.report, &k.err) == 0 && kit_files(&k) == 0 &&
		       kit_publish(&k) == 0 && kit_sound(&k, 0) && kit_file(&k, DATA),
	       "with nothing in it, when somebody asks %s", kit_why(&k));
	kit_done(&k);
}

/* A call that fails once COMMIT is durable: everything has happened, and is finished later. */
static void test_cut_short(unsigned call, const char *what)
{
	struct ck_faulty faulty;
	struct kit k;
	bool opened;

	kit_init(&k, "sliced", "model.ckpt");
	ck_faulty_init(&faulty, &ck_vfs_posix);
	k.o.vfs = &faulty.vfs;
	k.o.how = CK_PUBLISH_INPLACE;
	kit_open(&k);
	kit_pwrite(&k, "global_step", 0, "12345678", 8);
	kit_pwrite(&k, "grid_3x2", 100, "abcdefgh", 8);
	kit_fill(&k, "rank1", 36, 1);
	faulty.calls = call;
	faulty.nth = 1;
	faulty.from_there_on = true;
	faulty.errnum = EIO;
	tap_ok(kit_publish(&k) == -EIO && strstr(kit_why(&k), "committed"), "%s fails: %s", what,
	       kit_why(&k));
	tap_ok(kit_fill(&k, "rank1", 36, 5) == -EIO && kit_is_fill(&k, "rank1", 36, 1),
	       "no edit before it is finished");
	faulty.healed = true;
	tap_ok(kit_fill(&k, "rank1", 36, 5) == 0 && kit_published_fill(&k, "rank1", NULL, 36, 1) &&
		       kit_sound(&k, 30), "the next edit finishes it %s", kit_why(&k));
	tap_ok(kit_publish(&k) == 0 && kit_published_fill(&k, "rank1", NULL, 36, 5) &&
		       kit_sound(&k, 30), "and is published then %s", kit_why(&k));
	kit_pwrite(&k, "grid_3x2", 100, "ABCDEFGH", 8);
	faulty.healed = false;
	tap_ok(kit_publish(&k) == -EIO && kit_close(&k) == 0, "it fails again");
	faulty.healed = true;
	opened = kit_open(&k) == 0;
	tap_ok(opened && strstr(ck_stage_notice(k.s), "finished") && kit_sound(&k, 30) &&
		       !kit_file(&k, ".ckptfuse-journal"),
	       "and is finished when it is opened: %s", ck_stage_notice(k.s));
	kit_done(&k);
}

static void test_no_room(void)
{
	struct ck_faulty faulty;
	uint64_t size;
	struct kit k;

	kit_init(&k, "saver", "model.ckpt-100");
	ck_faulty_init(&faulty, &ck_vfs_posix);
	k.o.vfs = &faulty.vfs;
	kit_open(&k);
	kit_pwrite(&k, "dense/kernel", 0, "abc", 3);
	ck_stage_sync(k.s, &k.err);
	faulty.calls = CK_CALL_CREATE;
	faulty.nth = 1;
	faulty.from_there_on = true;
	faulty.errnum = ENOSPC;
	tap_ok(kit_publish(&k) == -ENOSPC && strstr(kit_why(&k), "nothing was changed") &&
		       kit_sound(&k, 21), "no room for the index: %s", kit_why(&k));
	size = kit_file_size(&k, DATA);
	for (int i = 0; i < 5; i++)
		kit_publish(&k);
	tap_ok(kit_file_size(&k, DATA) == size && size < 1396 + 200,
	       "trying again does not make the data file longer (%llu)", (unsigned long long)size);
	faulty.healed = true;
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 21), "there is room again %s", kit_why(&k));
	kit_done(&k);

	kit_init(&k, "saver", "model.ckpt-100");
	ck_faulty_init(&faulty, &ck_vfs_posix);
	k.o.vfs = &faulty.vfs;
	faulty.calls = CK_CALL_CREATE;
	faulty.nth = 1;
	faulty.from_there_on = true;
	faulty.errnum = EROFS;
	tap_ok(kit_open(&k) == -EROFS && strstr(kit_why(&k), "read-only"),
	       "a folder that may not be written to: %s", kit_why(&k));
	kit_done(&k);
}

int main(void)
{
	tap_plan(34);
	test_save();
	test_save_recovered();
	test_create();
	test_cut_short(CK_CALL_RENAME, "the rename");
	test_cut_short(CK_CALL_UNLINK, "the removal");
	test_no_room();
	return tap_done();
}
