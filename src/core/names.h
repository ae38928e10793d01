/*
 * names.h - how one component of a variable's name is spelt as one file name, and back.
 *
 * Names are data and may hold any byte; file names may not. Encoding and decoding are inverse:
 * every component has one spelling, and a spelling that no component has is refused. What has to
 * be percent-encoded:
 *
 *   %, NUL and / anywhere; a component that is "." (%2E), ".." (%2E%2E) or empty (%-);
 *   the dot of a trailing .d .json .npy .txt, which mark what the program adds;
 *   a root component .ckptfuse (its dot);
 *   in a name's last component, what would make a scratch file of it: the first dot, the last ~,
 *   the dot of a last .swp, the first and last of #...#.
 *
 * A spelling over 250 bytes is cut to 232 at most (never inside %XX or a UTF-8 character) and ends
 * in "%~" and the 16 hex digits of the FNV-1a 64-bit hash of the whole spelling. Such a one cannot
 * be decoded; the tree finds it by its hash.
 */
#ifndef CK_CORE_NAMES_H
#define CK_CORE_NAMES_H

#include "util/buf.h"
#include "util/bytes.h"

#define CK_SPELLING_MAX 250 /* bytes; .json makes it 255, which is what a file name may have */

enum {
	CK_NAME_LAST = 1, /* the component ends the name: it is shown as a file */
	CK_NAME_ROOT = 2, /* the component is shown in the root folder */
};

/* Appends the component's spelling to *out, uncut when cut is false. */
void ck_name_encode(struct ck_span component, unsigned flags, bool cut, struct ck_buf *out);

/* The spelling's hash, where the spelling is over CK_SPELLING_MAX bytes; false where it is not. */
bool ck_name_long_hash(struct ck_span component, unsigned flags, uint64_t *ret);

enum ck_name_kind {
	CK_NAME_PLAIN, /* *ret holds the component */
	CK_NAME_CUT, /* a cut spelling: *hash holds its hash */
	CK_NAME_BAD, /* no component is spelt so */
};

/* Undoes ck_name_encode; the component is appended to *ret. */
enum ck_name_kind ck_name_decode(struct ck_span spelling, unsigned flags, struct ck_buf *ret,
				 uint64_t *hash);

#endif
