/*
 * test_stage_recover.c - what was staged is there again when the stage was closed, or died, without
 * having published.
 *
 * To die is to leave the stage as it is and open the checkpoint from a copy of its folder's files.
 */
#include "stagekit.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON(dtype, shape) "{\"dtype\": \"" dtype "\", \"shape\": " shape "}"

/* The stage as it would be opened if the process had been killed just now: *n. Files keep their
 * inode numbers by being linked, and are copied over: the shards are told by those. */
static void die_into(struct kit *k, struct kit *n)
{
	char cmd[4000];

	*n = *k;
	n->s = NULL;
	snprintf(cmd, sizeof(cmd), "cp -a %s %s.alive", k->folder, k->folder);
	if (system(cmd) != 0)
		abort();
}

/* Kills the stage: its files are put back as they were when it was killed, since closing changes
 * them. Answers what opening again does. */
static int die(struct kit *k)
{
	struct kit n;
	char cmd[4000];

	die_into(k, &n);
	kit_close(k);
	/* cat writes into the same inodes; what closing has removed comes back. */
	snprintf(cmd, sizeof(cmd),
		 "cd %s.alive && for f in *; do if [ -e ../$(basename %s)/$f ]; then "
		 "cat $f > %s/$f && touch -r $f %s/$f; else cp -a $f %s/; fi; done && rm -r %s.alive",
		 k->folder, k->folder, k->folder, k->folder, k->folder, k->folder);
	if (system(cmd) != 0)
		abort();
	return kit_open(k);
}

static void test_close(void)
{
	struct kit k;
	bool own = true;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fill(&k, "dense/bias", 32, 5);
	kit_pwrite(&k, "dense/kernel", 3, "inside", 6);
	kit_mv(&k, "dense_1", "other", 0);
	kit_rm(&k, "beta1_power");
	kit_fill(&k, "new", 6, 1);
	kit_text(&k, "new.json", JSON("int16", "[3]"));
	kit_text(&k, ".scratch", "not a variable");
	kit_mkdir(&k, "empty");
	tap_ok(ck_stage_dirty(k.s, &own) && own && kit_reopen(&k) == 0 &&
		       strstr(ck_stage_notice(k.s), "not published") &&
		       ck_stage_dirty(k.s, &own) && !own,
	       "closed without publishing: %s", ck_stage_notice(k.s));
	tap_ok(kit_is_fill(&k, "dense/bias", 32, 5) && !kit_there(&k, "beta1_power") &&
		       kit_size(&k, "other/kernel") == 192 && !kit_there(&k, "dense_1") &&
		       kit_is_fill(&k, "new", 6, 1) && kit_is(&k, ".scratch", "not a variable", 14) &&
		       kit_there(&k, "empty") && strcmp(kit_member(&k, "new.json", "dtype"), "int16") == 0,
	       "everything is there again");
	tap_ok(ck_stage_publish(k.s, 0, &k.report, &k.err) == 0 && k.report.nothing &&
		       !kit_has(&k, "new"),
	       "it is not published for nobody's asking");
	tap_ok(kit_reopen(&k) == 0 && kit_publish(&k) == 0 && !k.report.nothing &&
		       kit_published_fill(&k, "new", "int16[3]", 6, 1) &&
		       kit_published_fill(&k, "dense/bias", "float32[8]", 32, 5) &&
		       kit_has(&k, "other/kernel/Adam") && !kit_has(&k, "dense_1/kernel") &&
		       !kit_has(&k, "beta1_power") && kit_sound(&k, 21),
	       "but when somebody asks %s", kit_why(&k));
	tap_ok(kit_reopen(&k) == 0 && !ck_stage_dirty(k.s, NULL) && !kit_file(&k, ".ckptfuse-journal"),
	       "and then there is no journal any more");
	kit_rm(&k, "new");
	kit_reopen(&k);
	kit_rm(&k, "global_step");
	tap_ok(ck_stage_publish(k.s, 0, &k.report, &k.err) == 0 && !k.report.nothing &&
		       !kit_has(&k, "new") && !kit_has(&k, "global_step"),
	       "with edits of its own what was recovered is published, too");
	kit_done(&k);
}

static void test_killed(void)
{
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fill(&k, "dense/bias", 32, 5); /* flushed, not synced */
	tap_ok(die(&k) == 0 && kit_is_fill(&k, "dense/bias", 32, 5), "killed: %s%s", kit_why(&k),
	       ck_stage_notice(k.s));
	kit_rm(&k, "dense/bias");
	kit_fill(&k, "dense/bias", 32, 50);
	kit_rm(&k, "global_step");
	ck_stage_sync(k.s, &k.err);
	kit_fill(&k, "dense_1/bias", 24, 7);
	tap_ok(die(&k) == 0 && kit_is_fill(&k, "dense/bias", 32, 50) &&
		       kit_is_fill(&k, "dense_1/bias", 24, 7) && !kit_there(&k, "global_step"),
	       "and again, with bytes where others were %s", kit_why(&k));
	tap_ok(kit_publish(&k) == 0 && kit_published_fill(&k, "dense/bias", "float32[8]", 32, 50) &&
		       kit_sound(&k, 20), "published %s", kit_why(&k));
	tap_ok(die(&k) == 0 && !ck_stage_dirty(k.s, NULL) && kit_is_fill(&k, "dense/bias", 32, 50),
	       "killed after that %s", kit_why(&k));
	kit_done(&k);
}

/* What a publish leaves is not what opening anew gives: folders, scratch files, what a variable of
 * that name was. The journal of later edits has to do without it. */
static void test_after_publish(void)
{
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_mkdir(&k, "fresh");
	kit_mkdir(&k, "fresh/deeper");
	kit_text(&k, "fresh/.note", "kept");
	kit_mv(&k, "dense/bias", "dense/.bias-backup", 0);
	kit_rm(&k, "global_step");
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 19), "published %s", kit_why(&k));
	kit_fill(&k, "fresh/deeper/new", 4, 1);
	kit_fill(&k, "global_step", 8, 77);
	kit_mkdir(&k, "fresh/x.d");
	ck_stage_sync(k.s, &k.err);
	tap_ok(strcmp(kit_member(&k, "global_step.json", "dtype"), "int64") == 0,
	       "a variable is what one of its name was before");
	tap_ok(die(&k) == 0 && kit_is_fill(&k, "fresh/deeper/new", 4, 1) &&
		       kit_is_fill(&k, "global_step", 8, 77) && kit_there(&k, "fresh/x.d") &&
		       strcmp(kit_member(&k, "global_step.json", "dtype"), "int64") == 0 &&
		       kit_is(&k, "fresh/.note", "kept", 4) && kit_size(&k, "dense/.bias-backup") == 32,
	       "killed: folders that were empty, and what it was %s", kit_why(&k));
	tap_ok(kit_mv(&k, "dense/.bias-backup", "dense/bias", 0) == -EISDIR &&
		       kit_mv(&k, "dense/bias", "dense/bias.d", 0) == 0 &&
		       kit_mv(&k, "dense/.bias-backup", "dense/bias", 0) == 0 &&
		       strcmp(kit_member(&k, "dense/bias.json", "dtype"), "float32") == 0,
	       "a backup is what it was, too");
	kit_text(&k, "fresh/deeper/new.json", JSON("uint8", "[4]"));
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 22), "published %s", kit_why(&k));
	kit_rm_r(&k, "fresh");
	kit_publish(&k);
	kit_mkdir(&k, "fresh");
	kit_rm(&k, "dense/bias"); /* its folder is spelt bias.d from now on */
	kit_publish(&k);
	kit_pwrite(&k, "dense/bias.d/Adam", 2, "xyz", 3);
	kit_fill(&k, "dense/bias", 32, 9);
	ck_stage_sync(k.s, &k.err);
	tap_ok(die(&k) == 0 && kit_is_fill(&k, "dense/bias", 32, 9) &&
		       kit_size(&k, "dense/bias.d/Adam") == 32 && kit_publish(&k) == 0 &&
		       kit_published_fill(&k, "dense/bias", "float32[8]", 32, 9) &&
		       kit_sound(&k, 21),
	       "a variable beside the folder of its scope %s", kit_why(&k));
	kit_done(&k);
}

static void test_respelt(void)
{
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	tap_ok(kit_mv(&k, "dense", "dense.d", 0) == 0 && kit_publish(&k) == 0 && k.report.nothing,
	       "a folder is spelt anew, which changes nothing %s", kit_why(&k));
	kit_fill(&k, "dense", 5, 3);
	kit_setxattr(&k, "dense", "user.ckptfuse.dtype", "uint8");
	kit_setxattr(&k, "dense", "user.ckptfuse.shape", "[5]");
	ck_stage_sync(k.s, &k.err);
	tap_ok(die(&k) == 0 && kit_is_fill(&k, "dense", 5, 3) && kit_size(&k, "dense.d/bias") == 32 &&
		       kit_publish(&k) == 0 && kit_published_fill(&k, "dense", "uint8[5]", 5, 3) &&
		       kit_sound(&k, 22),
	       "then there may be a variable called so, after a crash as well %s", kit_why(&k));
	kit_done(&k);
}

/* A scratch file that is written to while everything is discarded. */
static void test_scratch(void)
{
	struct ck_sfile *f;
	struct kit k;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fopen(&k, ".open", O_CREAT | O_RDWR, &f);
	kit_fwrite(&k, f, 0, "first", 5);
	tap_ok(kit_discard(&k, NULL) == 0 && kit_is(&k, ".open", "first", 5),
	       "scratch files survive a discard");
	kit_rm(&k, "global_step");
	kit_fwrite(&k, f, 5, " second", 7);
	ck_stage_sync(k.s, &k.err);
	kit_fclose(&k, f);
	tap_ok(die(&k) == 0 && kit_is(&k, ".open", "first second", 12) &&
		       !kit_there(&k, "global_step"), "and a crash %s", kit_why(&k));
	kit_mv(&k, "dense/kernel", "dense/kernel~", 0);
	kit_pwrite(&k, "dense/kernel~", 0, "changed", 7);
	tap_ok(kit_publish(&k) == 0 && kit_sound(&k, 19), "published %s", kit_why(&k));
	kit_rm(&k, "dense/bias");
	ck_stage_sync(k.s, &k.err);
	tap_ok(die(&k) == 0 && kit_size(&k, "dense/kernel~") == 128, "a backup of a variable %s",
	       kit_why(&k));
	kit_rm(&k, "dense/kernel~");
	ck_stage_sync(k.s, &k.err);
	kit_fill(&k, "dense/bias", 32, 4);
	tap_ok(die(&k) == 0 && kit_is_fill(&k, "dense/bias", 32, 4) &&
		       !kit_there(&k, "dense/kernel~"),
	       "whose bytes are free then %s", kit_why(&k));
	kit_done(&k);
}

static void test_foreign(void)
{
	struct stat st;
	struct kit k;
	bool opened;
	char cmd[4000];
	FILE *f;

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_fill(&k, "dense/bias", 32, 5);
	kit_close(&k);
	stat(kit_path(&k, ".index"), &st);
	/* Saved anew by somebody else: the other checkpoint of the fixture. */
	snprintf(cmd, sizeof(cmd), "cd %s && for s in index data-00000-of-00001; do "
		 "cat \"$SRCDIR/tests/data/tf2/ckpt-2.$s\" > m.new && mv m.new m.$s; done", k.folder);
	opened = system(cmd) == 0 && kit_open(&k) == 0;
	tap_ok(opened && strstr(ck_stage_notice(k.s), "saved anew") &&
		       kit_file(&k, ".ckptfuse-journal.aside") && !ck_stage_dirty(k.s, NULL),
	       "edits of another state are set aside: %s", ck_stage_notice(k.s));
	kit_done(&k);

	kit_begin(&k, "saver", "model.ckpt-100");
	kit_rm(&k, "dense/bias");
	ck_stage_sync(k.s, &k.err);
	kit_rm(&k, "global_step");
	kit_close(&k);
	f = fopen(kit_path(&k, ".ckptfuse-journal"), "r+");
	fseek(f, -3, SEEK_END);
	ftruncate(fileno(f), ftell(f));
	fclose(f);
	opened = kit_open(&k) == 0;
	tap_ok(opened && !kit_there(&k, "dense/bias") && kit_there(&k, "global_step") &&
		       strstr(ck_stage_notice(k.s), "bytes at its end"),
	       "a torn end is dropped: %s", ck_stage_notice(k.s));
	tap_ok(kit_discard(&k, NULL) == 0 && kit_there(&k, "dense/bias") && kit_reopen(&k) == 0 &&
		       !ck_stage_dirty(k.s, NULL) && kit_sound(&k, 21), "what was recovered is dropped");
	kit_close(&k);
	f = fopen(kit_path(&k, ".ckptfuse-journal"), "w");
	fputs("this is no journal, but somebody's diary", f);
	fclose(f);
	opened = kit_open(&k) == 0;
	tap_ok(opened && strstr(ck_stage_notice(k.s), "cannot be read") &&
		       kit_file_size(&k, ".ckptfuse-journal.aside") == 40, "no journal: %s",
	       ck_stage_notice(k.s));
	kit_done(&k);
}

static void test_elsewhere(void)
{
	struct kit k;
	bool opened;
	char dir[300], lost[400];

	kit_init(&k, "saver", "model.ckpt-100");
	snprintf(dir, sizeof(dir), "%s/journals", k.folder);
	snprintf(lost, sizeof(lost), "%s/lost", k.folder);
	mkdir(dir, 0755);
	k.o.journal = dir;
	kit_open(&k);
	kit_rm(&k, "dense/bias");
	ck_stage_sync(k.s, &k.err);
	tap_ok(kit_file_size(&k, ".ckptfuse-journal") < 600, "a pointer to the journal");
	kit_close(&k);
	k.o.journal = NULL;
	tap_ok(kit_open(&k) == 0 && !kit_there(&k, "dense/bias"),
	       "which is followed without being asked to %s", kit_why(&k));
	kit_close(&k);
	rename(dir, lost);
	tap_ok(kit_open(&k) == -EBUSY && k.err.cls == CK_BUSY && strstr(kit_why(&k), "not there"),
	       "not there: %s", kit_why(&k));
	k.o.discard_lost = true;
	opened = kit_open(&k) == 0;
	tap_ok(opened && kit_there(&k, "dense/bias") && strstr(ck_stage_notice(k.s), "given up") &&
		       !kit_file(&k, ".ckptfuse-journal"),
	       "given up: %s", ck_stage_notice(k.s));
	kit_close(&k);
	/* It comes back: nothing leads to it, and what was given up stays so. */
	rename(lost, dir);
	k.o.discard_lost = false;
	k.o.journal = dir;
	tap_ok(kit_open(&k) == 0 && kit_there(&k, "dense/bias") && !ck_stage_dirty(k.s, NULL),
	       "a journal that no pointer leads to is nobody's %s", kit_why(&k));
	tap_ok(kit_rm(&k, "global_step") == 0 && kit_reopen(&k) == 0 && kit_there(&k, "dense/bias") &&
		       !kit_there(&k, "global_step") && kit_publish(&k) == 0 && kit_sound(&k, 20),
	       "and is set aside when its place is needed %s", kit_why(&k));
	kit_done(&k);
}

static void test_locked(void)
{
	struct kit k, other;

	kit_begin(&k, "saver", "model.ckpt-100");
	other = k;
	other.s = NULL;
	tap_ok(kit_open(&other) == -EBUSY && strstr(kit_why(&other), "a test") &&
		       other.err.cls == CK_BUSY, "one writer: %s", kit_why(&other));
	kit_close(&k);
	tap_ok(kit_open(&other) == 0 && !kit_file(&k, ".ckptfuse-journal"), "at a time");
	kit_done(&other);
}

int main(void)
{
	tap_plan(35);
	test_close();
	test_killed();
	test_after_publish();
	test_respelt();
	test_scratch();
	test_foreign();
	test_elsewhere();
	test_locked();
	return tap_done();
}
