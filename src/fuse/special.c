/* special.c - see special.h. */
#include "fuse/special.h"

#include "base/log.h"
#include "fuse/status.h"

#include <errno.h>

static void render_status(struct ck_mount *m, struct ck_slot *s, struct ck_buf *b)
{
	struct ck_status status = {
		.mode = "ro",
		.model = s->model,
		.variables = s->model->nvars,
		.bytes = s->bytes,
		.opened = s->opened,
	};

	ck_status_begin(m, &status, b);
	if (s->pending)
		ck_status_text(b, "pending", s->pending);
	ck_buf_str(b, "  \"staged\": [],\n  \"unfinished\": []\n}\n");
}

static void render_log(struct ck_mount *m, struct ck_slot *s, struct ck_buf *b)
{
	(void)m;
	(void)s;
	ck_log_copy(b);
}

static int listing_size(struct ck_slot *s, uint64_t *ret, struct ck_err *err)
{
	return ck_listing_size(&s->listing, s->model, ret, err);
}

static int listing_read(struct ck_slot *s, uint64_t off, size_t n, struct ck_buf *out,
			struct ck_err *err)
{
	return ck_listing_read(&s->listing, s->model, off, n, out, err);
}

/* Either render, or size and read. */
static const struct file {
	const char *name;
	void (*render)(struct ck_mount *m, struct ck_slot *s, struct ck_buf *b);
	int (*size)(struct ck_slot *s, uint64_t *ret, struct ck_err *err);
	int (*read)(struct ck_slot *s, uint64_t off, size_t n, struct ck_buf *out,
		    struct ck_err *err);
} files[] = {
	{ .name = "checkpoint.json", .size = listing_size, .read = listing_read },
	{ .name = "status.json", .render = render_status },
	{ .name = "log", .render = render_log },
};

#define NFILES (sizeof(files) / sizeof(files[0]))

unsigned ck_special_find(const char *name)
{
	for (unsigned i = 0; i < NFILES; i++)
		if (strcmp(name, files[i].name) == 0)
			return i + 1;
	return 0;
}

const char *ck_special_name(unsigned number)
{
	return number >= 1 && number <= NFILES ? files[number - 1].name : NULL;
}

static const struct file *file_of(uint64_t node)
{
	uint64_t number = node - CK_INO_SPECIAL;

	return node > CK_INO_SPECIAL && number <= NFILES ? &files[number - 1] : NULL;
}

bool ck_special_is_live(const struct ck_node *n)
{
	const struct file *f = file_of(n->node);

	return f && f->render;
}

int ck_special_size(struct ck_mount *m, const struct ck_node *n, uint64_t *ret, struct ck_err *err)
{
	const struct file *f = file_of(n->node);
	ck_auto_buf struct ck_buf b = CK_BUF_INIT;

	if (!f)
		return -ESTALE;
	if (f->size)
		return f->size(n->slot, ret, err);
	f->render(m, n->slot, &b);
	*ret = b.n;
	return 0;
}

int ck_special_read(struct ck_mount *m, struct ck_handle *h, uint64_t off, size_t n,
		    struct ck_buf *out, struct ck_err *err)
{
	const struct file *f = file_of(h->node);

	if (!f)
		return -ESTALE;
	if (f->read)
		return f->read(h->slot, off, n, out, err);
	pthread_mutex_lock(&h->lock);
	if (off == 0) {
		ck_buf_clear(&h->text);
		f->render(m, h->slot, &h->text);
	}
	if (off < h->text.n)
		ck_buf_add(out, h->text.p + off, h->text.n - off < n ? h->text.n - off : n);
	pthread_mutex_unlock(&h->lock);
	if (ck_buf_failed(out) || ck_buf_failed(&h->text))
		return ck_fail_nomem(err, f->name);
	return 0;
}
