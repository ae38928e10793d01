/*
 * sniff.h - what a file looks like, in words for a message.
 *
 * Used where a file is not what was expected of it: a pointer that Git LFS left, a web page saved
 * under the file's name, a checkpoint of another framework. It looks at the first CK_SNIFF_HEAD
 * bytes and the last few, judges by likeness and proves nothing: no checkpoint is opened by it.
 */
#ifndef CK_CORE_SNIFF_H
#define CK_CORE_SNIFF_H

#include "io/source.h"

#define CK_SNIFF_HEAD (64 * 1024) /* bytes at the front that are looked at */
#define CK_SNIFF_ROOM 160 /* bytes that the longest words take */

/*
 * Fills words with a noun phrase that fits behind "FILE: " and "looks like ": "a PyTorch
 * checkpoint", "a web page, saved in place of the file that it links to". Answers CK_OK for the
 * index of a TensorFlow V2 checkpoint and CK_CORRUPT for the front part of one, CK_UNSUPPORTED for
 * another kind of checkpoint or model, and CK_FOREIGN for anything else, a file that cannot be
 * read too.
 */
enum ck_class ck_sniff(struct ck_source *s, char *words, size_t room);

/* Whether it is a pointer that Git LFS left in the place of the content. */
bool ck_sniff_lfs(struct ck_source *s);

#endif
