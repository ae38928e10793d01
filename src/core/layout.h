/*
 * layout.h - which elements of an array are shown, and the brackets and lines around them.
 *
 * This is the part of NumPy's array printing that does not care what an element is: the walk over
 * the elements in row-major order, leaving out the middle of long axes, and the text between two
 * of them. No recursion, since an array may have 254 axes.
 */
#ifndef CK_CORE_LAYOUT_H
#define CK_CORE_LAYOUT_H

#include "util/buf.h"

#define CK_RANK_MAX 254

struct ck_walk {
	unsigned rank;
	uint64_t at; /* the element, counted in row-major order */
	uint64_t shape[CK_RANK_MAX];
	uint64_t stride[CK_RANK_MAX]; /* elements from one index of an axis to the next */
	uint64_t index[CK_RANK_MAX];
	bool cut[CK_RANK_MAX]; /* only the ends of the axis are shown */
	int last_cut; /* the last such axis, or -1 */
};

/* What lies between two elements that are shown. */
struct ck_step {
	unsigned axis; /* the one whose index grew; those behind it start again */
	bool skipped; /* its middle was left out */
};

/* Stands on the first element. The array is not empty, and its number of elements fits. */
void ck_walk_init(struct ck_walk *w, const uint64_t *shape, unsigned rank, bool summary);
/* Goes on to the next element that is shown; false, with w back on the first, after the last. */
bool ck_walk_next(struct ck_walk *w, struct ck_step *ret);
/* How many elements from w->at on are all shown, at least. */
uint64_t ck_walk_run(const struct ck_walk *w);

struct ck_layout {
	struct ck_buf *out;
	unsigned rank;
	uint64_t column; /* of the line that is being written */
};

void ck_layout_begin(struct ck_layout *l, unsigned rank, struct ck_buf *out);
/* Breaks the line where a word of n columns would not fit; the caller appends it to out. */
void ck_layout_word(struct ck_layout *l, uint64_t n);
void ck_layout_step(struct ck_layout *l, struct ck_step step);
void ck_layout_end(struct ck_layout *l);

#endif
