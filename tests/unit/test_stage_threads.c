/*
 * test_stage_threads.c - readers at work while the checkpoint is edited, published and discarded.
 *
 * One thread edits. Two others read, list, look up and ask for the status all the time. A file that
 * is always written by one call, as a row of equal bytes, must never be seen in between. (Built
 * with -fsanitize=thread this finds what is used without its lock.)
 */
#include "stagekit.h"
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 400
#define JSON(dtype, shape) "{\"dtype\": \"" dtype "\", \"shape\": " shape "}"

static struct kit k;
static bool ended; /* atomic */
static unsigned torn, errors, reads; /* atomic */

static void add(unsigned *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

static int by_path(const char *path, struct stat *st)
{
	char part[300];
	uint64_t dir = CK_STAGE_ROOT;
	int r;

	for (;; path += strlen(part) + 1) {
		snprintf(part, sizeof(part), "%.*s", (int)strcspn(path, "/"), path);
		r = ck_stage_lookup(k.s, dir, part, st, NULL);
		if (dir != CK_STAGE_ROOT)
			ck_stage_forget(k.s, dir, 1);
		if (r < 0 || !path[strlen(part)])
			return r;
		dir = st->st_ino;
		if (!S_ISDIR(st->st_mode)) {
			ck_stage_forget(k.s, dir, 1);
			return -ENOTDIR;
		}
	}
}

/* The row of one byte that the file is. */
static void read_row(const char *path, size_t n)
{
	struct ck_sfile *f;
	uint8_t p[4096];
	struct stat st;
	ssize_t got;
	int r = by_path(path, &st);

	if (r < 0)
		return;
	r = ck_stage_file_open(k.s, st.st_ino, O_RDONLY, &f, NULL);
	if (r == 0) {
		got = ck_stage_file_read(f, p, n, 0, NULL);
		if (got < 0)
			add(&errors);
		for (ssize_t i = 1; i < got; i++) {
			if (p[i] != p[0]) {
				add(&torn);
				break;
			}
		}
		ck_stage_file_map(f, 0, 1);
		ck_stage_file_seek(f, 0, SEEK_HOLE);
		ck_stage_file_version(f);
		ck_stage_file_flush(f, NULL);
		ck_stage_file_release(f);
		add(&reads);
	} else if (r != -ENOENT && r != -ESTALE) {
		add(&errors);
	}
	ck_stage_forget(k.s, st.st_ino, 1);
}

static void list_all(uint64_t dir)
{
	struct ck_stage_names names;
	char value[100];
	struct stat st;

	if (ck_stage_list(k.s, dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		if (ck_stage_lookup(k.s, dir, names.v[i].name, &st, NULL) < 0)
			continue;
		ck_stage_getattr(k.s, st.st_ino, &st, NULL);
		ck_stage_getxattr(k.s, st.st_ino, "user.ckptfuse.name", value, sizeof(value), NULL);
		ck_stage_listxattr(k.s, st.st_ino, value, sizeof(value), NULL);
		if (S_ISDIR(st.st_mode)) {
			list_all(st.st_ino);
			ck_stage_parent(k.s, st.st_ino);
		}
		ck_stage_forget(k.s, st.st_ino, 1);
	}
	ck_stage_names_done(&names);
}

/* Another editor, who uses scratch files alone, so that publishing never waits for them. */
static void edit_too(void)
{
	struct ck_sfile *f;
	uint8_t p[500];
	struct stat st;

	if (ck_stage_create(k.s, CK_STAGE_ROOT, ".other", O_TRUNC | O_RDWR, 0644, &f, &st, NULL) < 0) {
		add(&errors);
		return;
	}
	memset(p, 'o', sizeof(p));
	if (ck_stage_file_write(f, p, sizeof(p), 0, NULL) != (ssize_t)sizeof(p) ||
	    ck_stage_file_flush(f, NULL) < 0)
		add(&errors);
	ck_stage_file_release(f);
	if (ck_stage_rename(k.s, CK_STAGE_ROOT, ".other", CK_STAGE_ROOT, ".moved", 0, NULL) < 0 ||
	    ck_stage_unlink(k.s, CK_STAGE_ROOT, ".moved", NULL) < 0)
		add(&errors);
	ck_stage_forget(k.s, st.st_ino, 1);
}

static int one_var(void *arg, const struct ck_stage_var *v)
{
	unsigned *n = arg;

	*n += v->name.n > 0;
	return 0;
}

static void *read_all(void *arg)
{
	bool lists = arg != NULL;

	while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) {
		struct ck_buf ck_auto_buf status = CK_BUF_INIT;
		unsigned n = 0;

		read_row("dense/kernel", 128);
		read_row("dense/bias", 32);
		read_row("fresh", 3000);
		read_row("d/moved", 3000);
		read_row(".scratch", 3000);
		if (!lists)
			continue;
		list_all(CK_STAGE_ROOT);
		ck_stage_each(k.s, one_var, &n, NULL);
		ck_stage_status(k.s, &status);
		ck_stage_dirty(k.s, NULL);
		ck_stage_is_stale(k.s);
		edit_too();
		if (n < 15)
			add(&errors);
	}
	return NULL;
}

static int put_row(const char *path, size_t n, unsigned i)
{
	uint8_t p[4096];

	memset(p, (int)i, n);
	return kit_pwrite(&k, path, 0, p, n);
}

static unsigned edit(unsigned i)
{
	unsigned wrong = 0;

	switch (i % 12) {
	case 0:
		wrong += put_row("dense/kernel", 128, i) != 0;
		break;
	case 1:
		wrong += put_row("dense/bias", 32, i) != 0;
		break;
	case 2:
		kit_text(&k, "fresh", "");
		put_row("fresh", 3000, i);
		wrong += kit_text(&k, "fresh.json", JSON("uint8", "[3000]")) != 0;
		break;
	case 3:
		kit_mkdir(&k, "d");
		wrong += kit_mv(&k, "fresh", "d/moved", 0) != 0;
		break;
	case 4:
		kit_text(&k, ".scratch", "");
		put_row(".scratch", 3000, i);
		break;
	case 5:
		wrong += kit_mv(&k, "dense_1", "other", 0) != 0;
		wrong += kit_mv(&k, "other", "dense_1", 0) != 0;
		break;
	case 6:
		wrong += i % 24 == 6 ? kit_publish(&k) != 0 : kit_discard(&k, NULL) != 0;
		break;
	case 7:
		wrong += put_row("d/moved", 3000, i) != 0 && kit_there(&k, "d/moved");
		break;
	case 8:
		ck_stage_sync(k.s, NULL);
		break;
	case 9:
		kit_rm(&k, "d/moved");
		kit_rm(&k, ".scratch");
		break;
	case 10:
		wrong += put_row("dense/kernel", 128, i) != 0;
		ck_stage_sync(k.s, NULL);
		wrong += put_row("dense/kernel", 128, i + 1) != 0;
		break;
	default:
		wrong += kit_publish(&k) != 0;
	}
	return wrong;
}

static void with_readers(enum ck_publish_how how, const char *name)
{
	pthread_t reader, lister;
	unsigned wrong = 0;

	ended = false;
	torn = errors = reads = 0;
	kit_init(&k, "saver", "model.ckpt-100");
	k.o.how = how;
	if (kit_open(&k) < 0)
		abort();
	put_row("dense/kernel", 128, 1);
	put_row("dense/bias", 32, 1);
	pthread_create(&reader, NULL, read_all, NULL);
	pthread_create(&lister, NULL, read_all, &k);
	/* Until there were readers at work, on a machine that has others to do first. */
	for (unsigned i = 0; i < ROUNDS || (i < 20 * ROUNDS &&
					    __atomic_load_n(&reads, __ATOMIC_RELAXED) < 200); i++)
		wrong += edit(i);
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	pthread_join(lister, NULL);
	tap_ok(!wrong, "publish=%s: all edits succeed (%u do not) %s", name, wrong, kit_why(&k));
	tap_ok(reads > 0 && !torn, "%u reads see no half of a write (%u do)", reads, torn);
	tap_ok(!errors, "and nothing that is not there (%u do)", errors);
	tap_ok(kit_discard(&k, NULL) == 0 && kit_sound(&k, -1), "what is published is sound");
	kit_done(&k);
}

int main(void)
{
	tap_plan(8);
	with_readers(CK_PUBLISH_REPLACE, "replace");
	with_readers(CK_PUBLISH_INPLACE, "inplace");
	return tap_done();
}
