/* model.c - see model.h. */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

struct model *model_new(void)
{
	struct model *m = must(calloc(1, sizeof(*m)));

	m->next_id = 1;
	return m;
}

struct model *model_copy(const struct model *m)
{
	struct model *c = must(malloc(sizeof(*c)));

	*c = *m;
	for (size_t i = 0; i < c->nfiles; i++) {
		c->files[i].p = must(malloc(m->files[i].n + 1));
		memcpy(c->files[i].p, m->files[i].p, m->files[i].n);
	}
	return c;
}

struct model *model_free(struct model *m)
{
	for (size_t i = 0; m && i < m->nfiles; i++)
		free(m->files[i].p);
	free(m);
	return NULL;
}

/* --- files ------------------------------------------------------------------------------------ */

struct model_file *model_find(struct model *m, const char *name)
{
	for (size_t i = 0; i < m->nfiles; i++)
		if (strcmp(m->files[i].name, name) == 0)
			return &m->files[i];
	return NULL;
}

static struct model_file *find_id(struct model *m, unsigned id)
{
	for (size_t i = 0; i < m->nfiles; i++)
		if (m->files[i].id == id)
			return &m->files[i];
	return NULL;
}

static struct model_file *insert(struct model *m, const struct model_file *f)
{
	size_t at = 0;

	if (m->nfiles == MODEL_FILES)
		abort();
	while (at < m->nfiles && strcmp(m->files[at].name, f->name) < 0)
		at++;
	memmove(&m->files[at + 1], &m->files[at], (m->nfiles - at) * sizeof(*f));
	m->files[at] = *f;
	m->nfiles++;
	return &m->files[at];
}

/* Takes it out of the list; its bytes are the caller's. */
static struct model_file take(struct model *m, struct model_file *f)
{
	struct model_file r = *f;
	size_t at = (size_t)(f - m->files);

	memmove(f, f + 1, (m->nfiles - at - 1) * sizeof(*f));
	m->nfiles--;
	return r;
}

struct model_file *model_add(struct model *m, const char *name, const struct model_meta *meta,
			     size_t n)
{
	struct model_file f = { .id = m->next_id++, .n = n, .p = must(calloc(1, n + 1)) };

	if (strlen(name) >= MODEL_NAME)
		abort();
	strcpy(f.name, name);
	if (meta)
		f.meta = *meta;
	return insert(m, &f);
}

static void resize(struct model_file *f, size_t n)
{
	f->p = must(realloc(f->p, n + 1));
	if (n > f->n)
		memset(f->p + f->n, 0, n - f->n);
	f->n = n;
}

static void write_to(struct model_file *f, const struct step *s)
{
	if (s->n && s->off + s->n > f->n)
		resize(f, s->off + s->n);
	for (size_t i = 0; i < s->n; i++)
		f->p[s->off + i] = model_byte(s->fill, i);
}

/* --- names ------------------------------------------------------------------------------------ */

bool model_is_scratch(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	size_t n = strlen(base);

	return n > 0 && (base[0] == '.' || base[n - 1] == '~' ||
			 (n > 4 && strcmp(base + n - 4, ".swp") == 0) ||
			 (n > 1 && base[0] == '#' && base[n - 1] == '#'));
}

static void remember(struct model *m, const struct model_file *f)
{
	size_t i = 0;

	if (model_is_scratch(f->name) || !f->meta.known)
		return;
	while (i < m->nmemory && strcmp(m->memory[i].name, f->name) != 0)
		i++;
	if (i == MODEL_FILES)
		abort();
	strcpy(m->memory[i].name, f->name);
	m->memory[i].meta = f->meta;
	if (i == m->nmemory)
		m->nmemory++;
}

static const struct model_meta *remembered(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->nmemory; i++)
		if (strcmp(m->memory[i].name, name) == 0)
			return &m->memory[i].meta;
	return NULL;
}

static void rename_file(struct model *m, struct model_file *f, const char *to)
{
	struct model_file *old = model_find(m, to), moved;
	struct model_meta meta = { 0 };

	if (old == f)
		return;
	remember(m, f);
	if (old)
		meta = old->meta;
	else if (remembered(m, to))
		meta = *remembered(m, to);
	moved = take(m, f);
	if (old) {
		old = model_find(m, to);
		remember(m, old);
		free(take(m, old).p);
	}
	strcpy(moved.name, to);
	if (model_is_scratch(to))
		moved.meta = (struct model_meta){ 0 };
	else if (!moved.meta.known)
		moved.meta = meta;
	insert(m, &moved);
}

static int rename_scope(struct model *m, const struct step *s)
{
	size_t n = strlen(s->name), moved = 0;

	for (size_t i = 0; i < m->nfiles; i++)
		if (strncmp(m->files[i].name, s->to, strlen(s->to)) == 0)
			return -ENOTEMPTY;
	for (;;) {
		char to[2 * MODEL_NAME];
		size_t i = 0;

		while (i < m->nfiles && strncmp(m->files[i].name, s->name, n) != 0)
			i++;
		if (i == m->nfiles)
			return moved ? 0 : -ENOENT;
		snprintf(to, sizeof(to), "%s%s", s->to, m->files[i].name + n);
		rename_file(m, &m->files[i], to);
		moved++;
	}
}

/* The two change places, with their metadata. */
static int exchange(struct model *m, const char *one, const char *two)
{
	struct model_file a, b;

	if (!model_find(m, one) || !model_find(m, two))
		return -ENOENT;
	a = take(m, model_find(m, one));
	b = take(m, model_find(m, two));
	strcpy(a.name, two);
	strcpy(b.name, one);
	insert(m, &a);
	insert(m, &b);
	return 0;
}

/* --- metadata --------------------------------------------------------------------------------- */

static size_t element_size(const char *dtype)
{
	static const struct { const char *name; size_t n; } t[] = {
		{ "float32", 4 }, { "int32", 4 }, { "float64", 8 }, { "int64", 8 }, { "uint8", 1 },
		{ "int16", 2 }, { "bool", 1 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		if (strcmp(t[i].name, dtype) == 0)
			return t[i].n;
	abort();
}

bool model_is_unfinished(const struct model_file *f)
{
	uint64_t n = 1;

	if (model_is_scratch(f->name))
		return false;
	if (!f->meta.known)
		return true;
	if (strcmp(f->meta.dtype, "string") == 0)
		return f->meta.rank && f->n != f->meta.strings;
	for (unsigned i = 0; i < f->meta.rank; i++)
		n *= f->meta.shape[i];
	return n * element_size(f->meta.dtype) != f->n;
}

unsigned model_unfinished(const struct model *m)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->nfiles; i++)
		n += model_is_unfinished(&m->files[i]);
	return n;
}

static int set_meta(struct model *m, const struct step *s)
{
	struct model_file *f = model_find(m, s->name);

	if (!f)
		return -ENOENT;
	if (!s->dtype && !f->meta.known)
		return -EINVAL;
	f->meta.known = true;
	if (s->dtype)
		snprintf(f->meta.dtype, sizeof(f->meta.dtype), "%s", s->dtype);
	f->meta.rank = s->rank;
	memcpy(f->meta.shape, s->shape, sizeof(f->meta.shape));
	return 0;
}

/* --- steps ------------------------------------------------------------------------------------ */

/* Back to what is published; what is held open has no name any more unless it is that still. */
static void discard(struct model *m, const struct model *published)
{
	struct model *c = model_copy(published);

	for (size_t i = 0; i < m->nfiles; i++)
		free(m->files[i].p);
	memcpy(m->files, c->files, sizeof(m->files));
	m->nfiles = c->nfiles;
	free(c);
}

int model_apply(struct model *m, const struct step *s, const struct model *published)
{
	struct model_file *f = s->name ? model_find(m, s->name) : NULL;

	switch (s->kind) {
	case STEP_CREATE:
		if (f)
			return -EEXIST;
		f = model_add(m, s->name, model_is_scratch(s->name) ? NULL :
					  remembered(m, s->name), 0);
		m->handle = f->id;
		return 0;
	case STEP_OPEN:
		if (!f)
			return -ENOENT;
		if (s->trunc)
			resize(f, 0);
		m->handle = f->id;
		return 0;
	case STEP_HWRITE:
		f = find_id(m, m->handle);
		if (f) /* else it has no name, and nobody will see it */
			write_to(f, s);
		return 0;
	case STEP_CLOSE:
		m->handle = 0;
		return 0;
	case STEP_WRITE:
		if (!f)
			return -ENOENT;
		write_to(f, s);
		return 0;
	case STEP_TRUNCATE:
		if (!f)
			return -ENOENT;
		resize(f, s->n);
		return 0;
	case STEP_ZERO:
		if (!f)
			return -ENOENT;
		for (size_t i = s->off; i < s->off + s->n && i < f->n; i++)
			f->p[i] = 0;
		return 0;
	case STEP_META:
		return set_meta(m, s);
	case STEP_RENAME:
		if (s->name[strlen(s->name) - 1] == '/')
			return rename_scope(m, s);
		if (!f)
			return -ENOENT;
		rename_file(m, f, s->to);
		return 0;
	case STEP_EXCHANGE:
		return exchange(m, s->name, s->to);
	case STEP_UNLINK:
		if (!f)
			return -ENOENT;
		remember(m, f);
		free(take(m, f).p);
		return 0;
	case STEP_SYNC:
		return s->name && !f ? -ENOENT : 0;
	case STEP_PUBLISH:
	case STEP_COMPACT:
		return model_unfinished(m) ? -EINVAL : 0;
	case STEP_DISCARD:
		discard(m, published);
		return 0;
	case STEP_REOPEN:
		m->handle = 0;
		m->nmemory = 0;
		return 0;
	}
	abort();
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool differ(char *why, size_t room, const char *name, const char *what, uint64_t a,
		   uint64_t b)
{
	if (why)
		snprintf(why, room, "%s: %s (%llu, %llu)", name, what, (unsigned long long)a,
			 (unsigned long long)b);
	return false;
}

static bool same_file(const struct model_file *a, const struct model_file *b, char *why,
		      size_t room)
{
	if (a->meta.known != b->meta.known)
		return differ(why, room, a->name, "metadata known", a->meta.known, b->meta.known);
	if (a->meta.known && strcmp(a->meta.dtype, b->meta.dtype) != 0)
		return differ(why, room, a->name, "dtype", 0, 0);
	if (a->meta.known && a->meta.rank != b->meta.rank)
		return differ(why, room, a->name, "rank", a->meta.rank, b->meta.rank);
	for (unsigned i = 0; a->meta.known && i < a->meta.rank; i++)
		if (a->meta.shape[i] != b->meta.shape[i])
			return differ(why, room, a->name, "shape", a->meta.shape[i],
				      b->meta.shape[i]);
	if (a->n != b->n)
		return differ(why, room, a->name, "size", a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		if (a->p[i] != b->p[i]) {
			char text[40];

			snprintf(text, sizeof(text), "byte %zu", i);
			return differ(why, room, a->name, text, a->p[i], b->p[i]);
		}
	return true;
}

bool model_equal(const struct model *a, const struct model *b, bool scratch, char *why,
		 size_t room)
{
	size_t i = 0, k = 0;

	for (;;) {
		int c;

		while (!scratch && i < a->nfiles && model_is_scratch(a->files[i].name))
			i++;
		while (!scratch && k < b->nfiles && model_is_scratch(b->files[k].name))
			k++;
		if (i == a->nfiles && k == b->nfiles)
			return true;
		c = i == a->nfiles ? 1 : k == b->nfiles ? -1 :
		    strcmp(a->files[i].name, b->files[k].name);
		if (c)
			return differ(why, room, c < 0 ? a->files[i].name : b->files[k].name,
				      "is in one alone", c < 0, c > 0);
		if (!same_file(&a->files[i++], &b->files[k++], why, room))
			return false;
	}
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const uint8_t *)p)[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

uint64_t model_hash(const struct model *m)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < m->nfiles; i++) {
		const struct model_file *f = &m->files[i];

		h = mix(h, f->name, strlen(f->name) + 1);
		h = mix(h, &f->meta.known, sizeof(f->meta.known));
		h = mix(h, f->meta.dtype, strlen(f->meta.dtype) + 1);
		h = mix(h, f->meta.shape, f->meta.rank * sizeof(*f->meta.shape));
		h = mix(h, &f->meta.rank, sizeof(f->meta.rank));
		h = mix(h, &f->n, sizeof(f->n));
		h = mix(h, f->p, f->n);
	}
	return h;
}

char *step_text(const struct step *s, char *buf, size_t room)
{
	static const char *const kinds[] = {
		"create", "open", "write to the open file", "close", "write", "truncate", "zero",
		"V.json of", "rename", "exchange", "unlink", "sync", "publish", "discard", "compact",
		"reopen",
	};

	snprintf(buf, room, "%s %s%s%s %llu+%zu", kinds[s->kind], s->name ? s->name : "",
		 s->to ? " to " : "", s->to ? s->to : "", (unsigned long long)s->off, s->n);
	return buf;
}
