/*
 * stagekit.h - a checkpoint in a temporary folder, edited through the saver's front door by path.
 *
 * A kit is a copy of one of tests/data and a stage on it. Every helper that changes something
 * answers what the stage answered. Lookups are forgotten as soon as they were used (unless keep is
 * set), which is the hardest on the lifetimes of nodes. The last error's text is in kit_why().
 */
#ifndef CK_TESTS_STAGEKIT_H
#define CK_TESTS_STAGEKIT_H

#include "saver/stage.h"

#include <fcntl.h>
#include <stdbool.h>

struct kit {
	char folder[200];
	char prefix[256];
	char save[256]; /* prefix that is published to, if another */
	struct ck_stage_options o;
	struct ck_stage *s;
	struct ck_err err;
	struct ck_publish_report report; /* of the last publish */
	bool keep; /* lookups are not forgotten */
};

/* tests/data/DATA/NAME.* as FOLDER/m.*, not opened yet; data NULL: an empty folder. */
void kit_init(struct kit *k, const char *data, const char *name);
void kit_done(struct kit *k); /* closes and removes everything */
int kit_open(struct kit *k);
int kit_close(struct kit *k);
int kit_reopen(struct kit *k); /* kit_close(), which has to succeed, and kit_open() */
void kit_begin(struct kit *k, const char *data, const char *name); /* both; aborts if it fails */
const char *kit_why(const struct kit *k);

int kit_find(struct kit *k, const char *path, struct stat *ret);
bool kit_there(struct kit *k, const char *path);
uint64_t kit_size(struct kit *k, const char *path); /* UINT64_MAX where it is not there */
/* With O_CREAT it is made. The handle is *ret. */
int kit_fopen(struct kit *k, const char *path, int flags, struct ck_sfile **ret);
int kit_fclose(struct kit *k, struct ck_sfile *f); /* flush, whose answer it is, and release */
int kit_fwrite(struct kit *k, struct ck_sfile *f, uint64_t off, const void *p, size_t n);
int kit_fread(struct kit *k, struct ck_sfile *f, struct ck_buf *out); /* all of it */

/* Like a shell's > and cp; answers what close did. */
int kit_put(struct kit *k, const char *path, const void *p, size_t n);
int kit_text(struct kit *k, const char *path, const char *text);
int kit_pwrite(struct kit *k, const char *path, uint64_t off, const void *p, size_t n);
int kit_fill(struct kit *k, const char *path, size_t n, uint8_t first); /* first, first + 1 ... */
uint8_t *kit_row(size_t n, uint8_t first); /* such bytes, to free() */
int kit_cat(struct kit *k, const char *path, struct ck_buf *out);
bool kit_is(struct kit *k, const char *path, const void *p, size_t n);
bool kit_is_fill(struct kit *k, const char *path, size_t n, uint8_t first);
int kit_truncate(struct kit *k, const char *path, uint64_t size);
int kit_mkdir(struct kit *k, const char *path);
int kit_rmdir(struct kit *k, const char *path);
int kit_rm(struct kit *k, const char *path);
int kit_rm_r(struct kit *k, const char *path);
int kit_mv(struct kit *k, const char *from, const char *to, unsigned flags);
int kit_setxattr(struct kit *k, const char *path, const char *name, const char *value);
/* Names in a folder, in order, one blank between them; folders end in '/'. */
void kit_ls(struct kit *k, const char *path, struct ck_buf *out);
bool kit_ls_is(struct kit *k, const char *path, const char *want);
/* The value of a member of V.json as compact JSON, "" where it is not there. */
const char *kit_member(struct kit *k, const char *path, const char *member);
int kit_publish(struct kit *k); /* because somebody asked */
int kit_discard(struct kit *k, const char *path);

/* What is published, read by itself. Bytes of a variable: true where it is there and right, with
 * this dtype and shape ("float32[2,3]"; NULL: whatever). */
bool kit_published(struct kit *k, const char *name, const char *type, const void *p, size_t n);
bool kit_published_fill(struct kit *k, const char *name, const char *type, size_t n, uint8_t first);
bool kit_has(struct kit *k, const char *name);
/* Every checksum is right, and there are so many variables (-1: any). Says what is not. */
bool kit_sound(struct kit *k, int nvars);
/* FNV of all bytes of all variables and their types, by name: equal for equal checkpoints. */
uint64_t kit_sum(const char *prefix);

/* Files beside the checkpoint: of that suffix behind the prefix. */
const char *kit_path(struct kit *k, const char *suffix); /* one of four rotating buffers */
bool kit_file(struct kit *k, const char *suffix);
uint64_t kit_file_size(struct kit *k, const char *suffix);
/* Inode, size and mtime of all files in the folder: whether anything was touched. */
uint64_t kit_folder_sum(struct kit *k);
unsigned kit_files(struct kit *k); /* how many files are in the folder */

#endif
