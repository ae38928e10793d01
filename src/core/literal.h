/*
 * literal.h - a string of bytes as Python writes it: b'...'.
 *
 * The quotes depend on the whole string, so it is looked at before it is printed; both take it in
 * as many pieces as it comes in.
 */
#ifndef CK_CORE_LITERAL_H
#define CK_CORE_LITERAL_H

#include "util/buf.h"

/* What has to be known of a string; all zero before its first piece. */
struct ck_literal {
	uint64_t len; /* of the text between the quotes, unless quotes in it need a backslash */
	uint64_t singles; /* single quotes in it */
	bool doubles; /* double quotes in it */
};

void ck_literal_measure(struct ck_literal *l, struct ck_span piece);
/* Length of the whole text, quotes and the b included. */
uint64_t ck_literal_len(const struct ck_literal *l);

void ck_literal_begin(const struct ck_literal *l, struct ck_buf *out);
void ck_literal_print(const struct ck_literal *l, struct ck_span piece, struct ck_buf *out);
void ck_literal_end(const struct ck_literal *l, struct ck_buf *out);

#endif
