/*
 * show.h - values as text, the way NumPy prints an array.
 *
 * TensorFlow's inspect_checkpoint prints tensors with NumPy's defaults, and people compare with
 * that: 8 digits of precision with the shortest text that reads back, columns aligned, lines of
 * 75 columns, and more than 1000 elements summarised to the first and last three along each axis.
 * A summary reads only the elements that it shows, so a variable of any size is cheap to look at.
 */
#ifndef CK_CORE_SHOW_H
#define CK_CORE_SHOW_H

#include "model/model.h"
#include "util/buf.h"

struct ck_show_options {
	bool all; /* every element, as with NumPy's threshold=sys.maxsize */
};

/* Appends what NumPy's print() would print for the variable, without the last newline. */
int ck_show_var(struct ck_model *m, uint32_t var, const struct ck_show_options *o,
		struct ck_buf *out, struct ck_err *err);

#endif
