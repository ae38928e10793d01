/* disk_store.c - what a disk in memory is made of: shared blobs, inodes, names, operations. */
#include "disk_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "the disk in memory is out of memory\n");
		abort();
	}
	return p;
}

/* --- blobs ------------------------------------------------------------------------------------ */

static struct blob *blob_make(size_t n, size_t room)
{
	struct blob *b = must(malloc(sizeof(*b) + room));

	*b = (struct blob){ .refs = 1, .n = n, .room = room };
	return b;
}

struct blob *blob_new(const void *p, size_t n)
{
	struct blob *b = blob_make(n, n);

	if (n)
		memcpy(b->p, p, n);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	if (b)
		b->refs++;
	return b;
}

void blob_unref(struct blob *b)
{
	if (b && --b->refs == 0)
		free(b);
}

uint8_t *blob_own(struct blob **b, size_t n)
{
	struct blob *old = *b;
	size_t had = old->n;

	if (old->refs > 1) {
		struct blob *own = blob_make(n, n + n / 2);

		memcpy(own->p, old->p, had < n ? had : n);
		old->refs--;
		*b = own;
	} else if (n > old->room) {
		*b = must(realloc(old, sizeof(*old) + n + n / 2 + 64));
		(*b)->room = n + n / 2 + 64;
	}
	if (n > had)
		memset((*b)->p + had, 0, n - had);
	(*b)->n = n;
	(*b)->hashed = false;
	return (*b)->p;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

uint64_t blob_hash(struct blob *b)
{
	uint64_t h, v;
	size_t i;

	if (!b)
		return 0;
	if (b->hashed)
		return b->hash;
	h = mix(1, b->n);
	for (i = 0; i + 8 <= b->n; i += 8) {
		memcpy(&v, b->p + i, 8);
		h = mix(h, v);
	}
	v = 0;
	memcpy(&v, b->p + i, b->n - i);
	b->hash = mix(h, v);
	b->hashed = true;
	return b->hash;
}

/* --- extended attributes ---------------------------------------------------------------------- */

struct attrs *attrs_ref(struct attrs *a)
{
	if (a)
		a->refs++;
	return a;
}

void attrs_unref(struct attrs *a)
{
	if (!a || --a->refs > 0)
		return;
	for (size_t i = 0; i < a->n; i++) {
		blob_unref(a->v[i].name);
		blob_unref(a->v[i].value);
	}
	free(a);
}

static bool same_blob(const struct blob *a, const struct blob *b)
{
	return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

void attrs_set(struct attrs **a, struct blob *name, struct blob *value)
{
	size_t n = *a ? (*a)->n : 0;
	struct attrs *new = must(calloc(1, sizeof(*new) + (n + 1) * sizeof(*new->v)));

	new->refs = 1;
	for (size_t i = 0; i < n; i++)
		if (!same_blob((*a)->v[i].name, name))
			new->v[new->n++] = (struct attr){ .name = blob_ref((*a)->v[i].name),
							  .value = blob_ref((*a)->v[i].value) };
	new->v[new->n++] = (struct attr){ .name = blob_ref(name), .value = blob_ref(value) };
	attrs_unref(*a);
	*a = new;
}

struct blob *attrs_get(const struct attrs *a, const char *name)
{
	for (size_t i = 0; a && i < a->n; i++)
		if (a->v[i].name->n == strlen(name) &&
		    memcmp(a->v[i].name->p, name, a->v[i].name->n) == 0)
			return a->v[i].value;
	return NULL;
}

/* --- inodes ----------------------------------------------------------------------------------- */

struct inode *inode_ref(struct inode *i)
{
	if (i)
		i->refs++;
	return i;
}

void inode_unref(struct inode *i)
{
	if (!i || --i->refs > 0)
		return;
	blob_unref(i->now);
	blob_unref(i->kept);
	attrs_unref(i->anow);
	attrs_unref(i->akept);
	free(i);
}

struct inode *inode_own(struct ck_disk *d, uint32_t slot)
{
	struct inode *i = d->slots[slot].inode, *own;

	if (i->refs == 1)
		return i;
	own = must(malloc(sizeof(*own)));
	*own = *i;
	own->refs = 1;
	blob_ref(own->now);
	blob_ref(own->kept);
	attrs_ref(own->anow);
	attrs_ref(own->akept);
	i->refs--;
	d->slots[slot].inode = own;
	return own;
}

uint32_t inode_new(struct ck_disk *d, mode_t mode, struct blob *bytes)
{
	struct inode *i = must(calloc(1, sizeof(*i)));
	size_t slot = 0;

	i->refs = 1;
	i->mode = mode;
	i->btime = i->mtime = i->ctime = i->synced_mtime = d->clock;
	i->now = bytes;
	/* A symlink's target comes with its name; a file's bytes do not. */
	i->kept = S_ISLNK(mode) ? blob_ref(bytes) : blob_new("", 0);
	while (slot < d->nslots && d->slots[slot].inode)
		slot++;
	if (slot == d->nslots) {
		d->slots = must(realloc(d->slots, (slot + 1) * sizeof(*d->slots)));
		d->nslots++;
	}
	d->slots[slot] = (struct slot){ .inode = i };
	return (uint32_t)slot;
}

/* --- operations ------------------------------------------------------------------------------- */

struct op *op_ref(struct op *o)
{
	o->refs++;
	return o;
}

void op_unref(struct op *o)
{
	if (--o->refs > 0)
		return;
	blob_unref(o->data);
	blob_unref(o->path);
	blob_unref(o->from);
	free(o);
}

void op_add(struct ck_disk *d, struct op o)
{
	if (d->nops == d->room) {
		d->room = d->room ? 2 * d->room : 16;
		d->ops = must(realloc(d->ops, d->room * sizeof(*d->ops)));
	}
	d->ops[d->nops] = must(malloc(sizeof(o)));
	*d->ops[d->nops] = o;
	d->ops[d->nops]->refs = 1;
	d->ops[d->nops]->when = d->clock;
	d->nops++;
}

void ops_drop(struct ck_disk *d, const bool *drop)
{
	size_t n = 0;

	for (size_t i = 0; i < d->nops; i++) {
		if (drop[i])
			op_unref(d->ops[i]);
		else
			d->ops[n++] = d->ops[i];
	}
	d->nops = n;
}

void op_apply_bytes(const struct op *o, struct blob **now, struct attrs **anow, size_t first,
		    size_t last)
{
	switch (o->kind) {
	case OP_WRITE:
		if (first < last) {
			size_t end = o->off + last;
			uint8_t *p = blob_own(now, (*now)->n > end ? (*now)->n : end);

			memcpy(p + o->off + first, o->data->p + first, last - first);
		}
		break;
	case OP_TRUNCATE:
		blob_own(now, o->off);
		break;
	case OP_XATTR:
		attrs_set(anow, o->path, o->data);
		break;
	case OP_NAME:
		break;
	}
}

/* --- names ------------------------------------------------------------------------------------ */

/* Where it is, or has to go. */
static bool name_search(const struct ck_disk *d, const void *path, size_t len, size_t *ret)
{
	size_t lo = 0, hi = d->nnames;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct blob *b = d->names[mid].path;
		int c = memcmp(b->p, path, b->n < len ? b->n : len);

		if (c == 0)
			c = (b->n > len) - (b->n < len);
		if (c == 0) {
			*ret = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret = lo;
	return false;
}

ssize_t name_find(struct ck_disk *d, const char *path)
{
	size_t at;

	return name_search(d, path, strlen(path), &at) ? (ssize_t)at : -1;
}

struct name *name_at(struct ck_disk *d, struct blob *path)
{
	size_t at;

	if (name_search(d, path->p, path->n, &at))
		return &d->names[at];
	d->names = must(realloc(d->names, (d->nnames + 1) * sizeof(*d->names)));
	memmove(d->names + at + 1, d->names + at, (d->nnames - at) * sizeof(*d->names));
	d->names[at] = (struct name){ .path = blob_ref(path), .now = NO_SLOT, .kept = NO_SLOT };
	d->nnames++;
	return &d->names[at];
}

unsigned name_count(const struct ck_disk *d, uint32_t slot)
{
	unsigned n = 0;

	for (size_t i = 0; i < d->nnames; i++)
		n += d->names[i].now == slot;
	return n;
}

/* Whether the inode has, or can still get, a name. */
static bool is_named(const struct ck_disk *d, uint32_t slot)
{
	for (size_t i = 0; i < d->nnames; i++)
		if (d->names[i].now == slot || d->names[i].kept == slot)
			return true;
	for (size_t i = 0; i < d->nops; i++)
		if (d->ops[i]->kind == OP_NAME && d->ops[i]->slot == slot)
			return true;
	return false;
}

void disk_sweep(struct ck_disk *d)
{
	bool *drop = must(calloc(d->nops + 1, sizeof(*drop)));
	size_t n = 0;

	for (size_t i = 0; i < d->nnames; i++) {
		if (d->names[i].now == NO_SLOT && d->names[i].kept == NO_SLOT)
			blob_unref(d->names[i].path);
		else
			d->names[n++] = d->names[i];
	}
	d->nnames = n;
	for (uint32_t s = 0; s < d->nslots; s++) {
		if (!d->slots[s].inode || is_named(d, s))
			continue;
		for (size_t i = 0; i < d->nops; i++)
			drop[i] |= d->ops[i]->slot == s;
		if (d->slots[s].opens)
			continue;
		inode_unref(d->slots[s].inode);
		d->slots[s] = (struct slot){ 0 };
	}
	ops_drop(d, drop);
	free(drop);
}

bool lies_in(const struct blob *path, const char *folder, size_t n)
{
	return path && path->n > n + 1 && memcmp(path->p, folder, n) == 0 && path->p[n] == '/' &&
	       !memchr(path->p + n + 1, '/', path->n - n - 1);
}

/* --- whole disks ------------------------------------------------------------------------------ */

struct ck_disk *ck_disk_free(struct ck_disk *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < d->nops; i++)
		op_unref(d->ops[i]);
	for (size_t i = 0; i < d->nnames; i++)
		blob_unref(d->names[i].path);
	for (size_t i = 0; i < d->nslots; i++)
		inode_unref(d->slots[i].inode);
	for (size_t i = 0; i < d->nfolders; i++)
		blob_unref(d->folders[i]);
	free(d->ops);
	free(d->names);
	free(d->slots);
	free(d->folders);
	pthread_mutex_destroy(&d->lock);
	free(d);
	return NULL;
}

void ck_disk_mkdir(struct ck_disk *d, const char *path)
{
	d->folders = must(realloc(d->folders, (d->nfolders + 1) * sizeof(*d->folders)));
	d->folders[d->nfolders++] = blob_new(path, strlen(path));
}

void ck_disk_put(struct ck_disk *d, const char *path, const void *p, size_t n)
{
	struct blob *b = blob_new(path, strlen(path));
	struct name *name;
	struct inode *i;
	uint32_t slot;

	d->clock++;
	slot = inode_new(d, S_IFREG | 0644, blob_new(p, n));
	i = d->slots[slot].inode;
	blob_unref(i->kept);
	i->kept = blob_ref(i->now);
	name = name_at(d, b);
	name->now = name->kept = slot;
	blob_unref(b);
	disk_sweep(d);
}

bool ck_disk_load(struct ck_disk *d, const char *path, const char *file)
{
	FILE *from = fopen(file, "rb");
	uint8_t *p = NULL;
	size_t n = 0, got;

	if (!from)
		return false;
	do {
		p = must(realloc(p, n + 65536));
		got = fread(p + n, 1, 65536, from);
		n += got;
	} while (got);
	got = ferror(from) != 0;
	fclose(from);
	if (!got)
		ck_disk_put(d, path, p, n);
	free(p);
	return !got;
}

const void *ck_disk_get(struct ck_disk *d, const char *path, size_t *n)
{
	ssize_t at = name_find(d, path);

	if (at < 0 || d->names[at].now == NO_SLOT)
		return NULL;
	*n = d->slots[d->names[at].now].inode->now->n;
	return d->slots[d->names[at].now].inode->now->p;
}

void ck_disk_each(struct ck_disk *d, void (*fn)(void *arg, const char *path), void *arg)
{
	char path[PATH_ROOM];

	for (size_t i = 0; i < d->nnames; i++) {
		if (d->names[i].now == NO_SLOT)
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)d->names[i].path->n,
			 (const char *)d->names[i].path->p);
		fn(arg, path);
	}
}

uint64_t ck_disk_hash(struct ck_disk *d)
{
	uint64_t h = 0;

	for (size_t k = 0; k < d->nnames; k++) {
		const struct inode *i;

		if (d->names[k].now == NO_SLOT)
			continue;
		i = d->slots[d->names[k].now].inode;
		h = mix(mix(h, blob_hash(d->names[k].path)), d->names[k].now);
		h = mix(mix(mix(h, i->mode), i->mtime), i->btime);
		h = mix(h, blob_hash(i->now));
		for (size_t a = 0; i->anow && a < i->anow->n; a++) {
			h = mix(h, blob_hash(i->anow->v[a].name));
			h = mix(h, blob_hash(i->anow->v[a].value));
		}
	}
	return h;
}

unsigned ck_disk_open_files(struct ck_disk *d)
{
	unsigned n = 0;

	for (size_t i = 0; i < d->nslots; i++)
		n += d->slots[i].opens;
	return n;
}
