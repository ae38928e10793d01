/* layout.c - see layout.h. */
#include "core/layout.h"

#define EDGE 3 /* elements shown at either end of an axis that is cut */
#define LINE 75 /* columns */

void ck_walk_init(struct ck_walk *w, const uint64_t *shape, unsigned rank, bool summary)
{
	uint64_t stride = 1;

	*w = (struct ck_walk){ .rank = rank, .last_cut = -1 };
	for (unsigned a = rank; a-- > 0;) {
		w->shape[a] = shape[a];
		w->stride[a] = stride;
		stride *= shape[a];
		w->cut[a] = summary && shape[a] > 2 * EDGE;
		if (w->cut[a] && w->last_cut < 0)
			w->last_cut = (int)a;
	}
}

bool ck_walk_next(struct ck_walk *w, struct ck_step *ret)
{
	for (unsigned a = w->rank; a-- > 0;) {
		uint64_t by = 1;

		if (w->cut[a] && w->index[a] == EDGE - 1)
			by = w->shape[a] - 2 * EDGE + 1;
		if (w->index[a] + by < w->shape[a]) {
			w->index[a] += by;
			w->at += by * w->stride[a];
			*ret = (struct ck_step){ .axis = a, .skipped = by > 1 };
			return true;
		}
		w->at -= w->index[a] * w->stride[a];
		w->index[a] = 0;
	}
	return false;
}

uint64_t ck_walk_run(const struct ck_walk *w)
{
	uint64_t index, stride, end;

	if (w->last_cut < 0)
		return w->rank ? w->shape[0] * w->stride[0] - w->at : 1;
	index = w->index[w->last_cut];
	stride = w->stride[w->last_cut];
	end = index < EDGE ? EDGE : w->shape[w->last_cut];
	return (end - index) * stride - w->at % stride;
}

static void repeat(struct ck_buf *out, char c, unsigned times)
{
	while (times-- > 0)
		ck_buf_char(out, c);
}

/* Opens the brackets from an axis on, at their columns, and leaves l in the innermost. */
static void open_brackets(struct ck_layout *l, unsigned axis)
{
	repeat(l->out, '[', l->rank - axis);
	l->column = l->rank;
}

void ck_layout_begin(struct ck_layout *l, unsigned rank, struct ck_buf *out)
{
	*l = (struct ck_layout){ .out = out, .rank = rank };
	open_brackets(l, 0);
}

void ck_layout_word(struct ck_layout *l, uint64_t n)
{
	/* The brackets that close may follow, and a line has one word at least. */
	if (l->column > l->rank && l->column + n + l->rank > LINE) {
		while (l->out->n && l->out->p[l->out->n - 1] == ' ')
			l->out->n--;
		ck_buf_char(l->out, '\n');
		repeat(l->out, ' ', l->rank);
		l->column = l->rank;
	}
	l->column += n;
}

static void space(struct ck_layout *l)
{
	ck_buf_char(l->out, ' ');
	l->column++;
}

void ck_layout_step(struct ck_layout *l, struct ck_step step)
{
	unsigned inner = l->rank - 1 - step.axis; /* axes that end and start again */

	if (!inner) {
		space(l);
		if (step.skipped) {
			ck_layout_word(l, strlen("..."));
			ck_buf_str(l->out, "...");
			space(l);
		}
		return;
	}
	repeat(l->out, ']', inner);
	repeat(l->out, '\n', inner);
	if (step.skipped) {
		repeat(l->out, ' ', step.axis + 1);
		ck_buf_str(l->out, "...");
		repeat(l->out, '\n', inner);
	}
	repeat(l->out, ' ', step.axis + 1);
	open_brackets(l, step.axis + 1);
}

void ck_layout_end(struct ck_layout *l)
{
	repeat(l->out, ']', l->rank);
}
