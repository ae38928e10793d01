/* disk_crash.c - see disk.h: copies of a disk, and what power cuts leave of it. */
#include "disk_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct ck_disk_limits ck_disk_few = {
	.singles = 8, .edges = 6, .torn = 2, .borders = 1, .files = 3, .pairs = 2, .random = 3,
};
const struct ck_disk_limits ck_disk_many = {
	.singles = 24, .edges = 16, .torn = 6, .borders = 3, .files = 8, .pairs = 16, .random = 12,
};

/* --- copies ----------------------------------------------------------------------------------- */

/* What copies of every kind share: settings, folders, inodes, names. */
static struct ck_disk *copy_base(struct ck_disk *d)
{
	struct ck_disk *c = must(calloc(1, sizeof(*c)));

	c->vfs = d->vfs;
	c->vfs.self = c;
	pthread_mutex_init(&c->lock, NULL);
	c->clock = d->clock;
	c->reflink = d->reflink;
	c->nfolders = d->nfolders;
	c->folders = must(calloc(d->nfolders + 1, sizeof(*c->folders)));
	for (size_t i = 0; i < d->nfolders; i++)
		c->folders[i] = blob_ref(d->folders[i]);
	c->nslots = d->nslots;
	c->slots = must(calloc(d->nslots + 1, sizeof(*c->slots)));
	for (size_t i = 0; i < d->nslots; i++)
		c->slots[i].inode = inode_ref(d->slots[i].inode);
	c->nnames = d->nnames;
	c->names = must(calloc(d->nnames + 1, sizeof(*c->names)));
	for (size_t i = 0; i < d->nnames; i++) {
		c->names[i] = d->names[i];
		blob_ref(c->names[i].path);
	}
	return c;
}

struct ck_disk *ck_disk_clone(struct ck_disk *d)
{
	struct ck_disk *c = copy_base(d);

	c->nops = c->room = d->nops;
	c->ops = must(calloc(d->nops + 1, sizeof(struct op *)));
	for (size_t i = 0; i < d->nops; i++)
		c->ops[i] = op_ref(d->ops[i]);
	disk_sweep(c);
	return c;
}

/* What is seen becomes what is durable. */
static void keep_all(struct ck_disk *d)
{
	for (size_t i = 0; i < d->nnames; i++)
		d->names[i].kept = d->names[i].now;
	for (uint32_t s = 0; s < d->nslots; s++) {
		struct inode *i = d->slots[s].inode;

		if (!i || (i->kept == i->now && i->akept == i->anow && !i->apart &&
			   i->synced_mtime == i->mtime))
			continue;
		i = inode_own(d, s);
		blob_unref(i->kept);
		i->kept = blob_ref(i->now);
		attrs_unref(i->akept);
		i->akept = attrs_ref(i->anow);
		i->synced_mtime = i->mtime;
		i->apart = false;
	}
}

void ck_disk_settle(struct ck_disk *d)
{
	for (size_t i = 0; i < d->nops; i++)
		op_unref(d->ops[i]);
	d->nops = 0;
	keep_all(d);
	disk_sweep(d);
}

/* --- power cuts ------------------------------------------------------------------------------- */

static uint32_t hash32(uint32_t x, uint32_t y)
{
	uint64_t h = ((uint64_t)x << 32 | y) + UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(h ^ h >> 31);
}

/* Whether operation i survives in some way. */
static bool survives(const struct ck_disk *d, const struct ck_disk_cut *cut, uint32_t i)
{
	bool is_name = d->ops[i]->kind == OP_NAME;
	bool same = !is_name && cut->a < d->nops && d->ops[i]->slot == d->ops[cut->a]->slot;

	switch (cut->kind) {
	case CK_CUT_ALL:
	case CK_CUT_TORN:
	case CK_CUT_TORN_END:
	case CK_CUT_GARBAGE:
	case CK_CUT_ZEROS:
		return true;
	case CK_CUT_NONE:
		return false;
	case CK_CUT_DROP:
		return i != cut->a;
	case CK_CUT_DROP_TWO:
		return i != cut->a && i != cut->b;
	case CK_CUT_ONLY:
	case CK_CUT_TORN_ALONE:
		return i == cut->a;
	case CK_CUT_PREFIX:
		return i < cut->a;
	case CK_CUT_SUFFIX:
		return i >= cut->a;
	case CK_CUT_NAMES:
		return is_name;
	case CK_CUT_BYTES:
		return !is_name;
	case CK_CUT_FILE_LOST:
		return !same;
	case CK_CUT_FILE_ONLY:
		return same;
	case CK_CUT_RANDOM:
		return hash32(cut->a, i) & 1;
	}
	return true;
}

/* Which bytes of a write survive, and what they are filled with: -1 for themselves. */
static int part_of(const struct ck_disk_cut *cut, uint32_t i, size_t *first, size_t *last)
{
	if (i != cut->a)
		return -1;
	switch (cut->kind) {
	case CK_CUT_TORN:
	case CK_CUT_TORN_ALONE:
		*last = cut->b;
		return -1;
	case CK_CUT_TORN_END:
		*first = cut->b;
		return -1;
	case CK_CUT_GARBAGE:
		return 0xa5;
	case CK_CUT_ZEROS:
		return 0;
	default:
		return -1;
	}
}

/* Writes something else than what was to be written: where the file was shorter, and in sectors
 * that were written whole. In others the bytes around would have to go, too. */
static void spoil(struct inode *inode, const struct op *o, uint32_t i, int fill, uint64_t was)
{
	uint8_t *p = blob_own(&inode->now, inode->now->n);
	uint64_t end = o->off + o->data->n;

	for (uint64_t at = o->off; at < end; at++) {
		uint64_t sector = at - at % CK_DISK_SECTOR;

		if (at >= was || (sector >= o->off && sector + CK_DISK_SECTOR <= end))
			p[at] = fill ? (uint8_t)(hash32(i, (uint32_t)at) ^ (uint32_t)fill) : 0;
	}
}

static void apply(struct ck_disk *c, const struct op *o, const struct ck_disk_cut *cut, uint32_t i)
{
	size_t first = 0, last = o->data ? o->data->n : 0;
	struct inode *inode;
	int fill;

	if (o->kind == OP_NAME) {
		name_at(c, o->path)->now = o->slot;
		if (o->from)
			name_at(c, o->from)->now = NO_SLOT;
		return;
	}
	if (!c->slots[o->slot].inode) /* its name was lost */
		return;
	inode = inode_own(c, o->slot);
	fill = part_of(cut, i, &first, &last);
	op_apply_bytes(o, &inode->now, &inode->anow, first, last);
	if (fill >= 0 && o->kind == OP_WRITE)
		spoil(inode, o, i, fill, inode->kept->n);
	if (o->kind != OP_XATTR)
		inode->mtime = o->when;
}

/* Back to what is durable. */
static void forget(struct ck_disk *c)
{
	for (size_t i = 0; i < c->nnames; i++)
		c->names[i].now = c->names[i].kept;
	for (uint32_t s = 0; s < c->nslots; s++) {
		struct inode *i = c->slots[s].inode;

		if (!i || (i->now == i->kept && i->anow == i->akept && i->mtime == i->synced_mtime))
			continue;
		i = inode_own(c, s);
		blob_unref(i->now);
		i->now = blob_ref(i->kept);
		attrs_unref(i->anow);
		i->anow = attrs_ref(i->akept);
		i->mtime = i->synced_mtime;
	}
}

struct ck_disk *ck_disk_crash(struct ck_disk *d, const struct ck_disk_cut *cut)
{
	struct ck_disk *c = copy_base(d);

	forget(c);
	for (uint32_t i = 0; i < d->nops; i++)
		if (survives(d, cut, i))
			apply(c, d->ops[i], cut, i);
	for (uint32_t s = 0; s < c->nslots && cut->times != CK_TIMES_AS_KEPT; s++) {
		const struct inode *was = d->slots[s].inode;

		if (was && c->slots[s].inode)
			inode_own(c, s)->mtime = cut->times == CK_TIMES_OLD ? was->synced_mtime :
									      was->mtime;
	}
	keep_all(c);
	disk_sweep(c);
	c->clock++;
	return c;
}

/* --- which cuts are worth trying -------------------------------------------------------------- */

struct list {
	struct ck_disk_cut *v;
	size_t n, room;
};

static void add(struct list *l, enum ck_disk_cut_kind kind, uint32_t a, uint32_t b)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->v = must(realloc(l->v, l->room * sizeof(*l->v)));
	}
	l->v[l->n++] = (struct ck_disk_cut){ .kind = kind, .a = a, .b = b };
}

/* Adds a cut for each of lo .. hi - 1, or for max of them: the last ones, and others evenly. */
static void add_range(struct list *l, enum ck_disk_cut_kind kind, uint32_t lo, uint32_t hi,
		      unsigned max)
{
	uint32_t n = hi > lo ? hi - lo : 0, last = max / 2, spread = max - last;

	if (n <= max) {
		for (uint32_t i = lo; i < hi; i++)
			add(l, kind, i, 0);
		return;
	}
	for (uint32_t k = 0; k < spread; k++)
		add(l, kind, lo + (uint32_t)((uint64_t)(n - last) * k / spread), 0);
	for (uint32_t i = hi - last; i < hi; i++)
		add(l, kind, i, 0);
}

static void add_torn(struct list *l, const struct ck_disk *d, uint32_t i, unsigned borders)
{
	const struct op *o = d->ops[i];
	uint64_t first = CK_DISK_SECTOR - o->off % CK_DISK_SECTOR, n = 0;

	if (o->data->n > first)
		n = (o->data->n - first - 1) / CK_DISK_SECTOR + 1;
	for (uint64_t k = 0; k < n && k < borders; k++) {
		/* With one border the one in the middle, else from the first to the last. */
		uint64_t at = n <= borders ? k : borders == 1 ? n / 2 : (n - 1) * k / (borders - 1);
		uint32_t b = (uint32_t)(first + at * CK_DISK_SECTOR);

		add(l, CK_CUT_TORN, i, b);
		add(l, CK_CUT_TORN_END, i, b);
		if (d->nops > 1)
			add(l, CK_CUT_TORN_ALONE, i, b);
	}
}

/* Whether garbage or zeros are possible in the place of some of its bytes: see spoil(). */
static bool may_spoil(const struct ck_disk *d, const struct op *o)
{
	uint64_t first = (o->off + CK_DISK_SECTOR - 1) / CK_DISK_SECTOR;

	return o->off + o->data->n > d->slots[o->slot].inode->kept->n ||
	       (first + 1) * CK_DISK_SECTOR <= o->off + o->data->n;
}

/* Cuts about single writes, the last ones first. */
static void add_writes(struct list *l, const struct ck_disk *d, const struct ck_disk_limits *limits)
{
	unsigned torn = 0, damaged = 0;

	for (uint32_t i = (uint32_t)d->nops; i-- > 0;) {
		if (d->ops[i]->kind != OP_WRITE)
			continue;
		if (torn++ < limits->torn)
			add_torn(l, d, i, limits->borders);
		if (may_spoil(d, d->ops[i]) && damaged++ < limits->singles) {
			add(l, CK_CUT_GARBAGE, i, 0);
			add(l, CK_CUT_ZEROS, i, 0);
		}
	}
}

/* Cuts that lose, or keep, all of one file; and names against bytes. */
static void add_files(struct list *l, const struct ck_disk *d, const struct ck_disk_limits *limits)
{
	uint32_t n = (uint32_t)d->nops, names = 0, files = 0;

	for (uint32_t i = 0; i < n; i++)
		names += d->ops[i]->kind == OP_NAME;
	if (names && names < n) {
		add(l, CK_CUT_NAMES, 0, 0);
		add(l, CK_CUT_BYTES, 0, 0);
	}
	for (uint32_t i = n; i-- > 0;) {
		bool again = false, alone = true;

		if (d->ops[i]->kind == OP_NAME)
			continue;
		for (uint32_t k = 0; k < n; k++) {
			bool same = d->ops[k]->kind != OP_NAME &&
				    d->ops[k]->slot == d->ops[i]->slot;

			again |= same && k > i;
			alone &= same || d->ops[k]->kind == OP_NAME;
		}
		if (again || alone || files++ >= limits->files)
			continue;
		add(l, CK_CUT_FILE_LOST, i, 0);
		add(l, CK_CUT_FILE_ONLY, i, 0);
	}
}

static bool times_differ(const struct ck_disk *d)
{
	for (uint32_t s = 0; s < d->nslots; s++) {
		const struct inode *i = d->slots[s].inode;

		if (i && S_ISREG(i->mode) && i->mtime != i->synced_mtime)
			return true;
	}
	return false;
}

struct ck_disk_cut *ck_disk_cuts(struct ck_disk *d, const struct ck_disk_limits *limits, size_t *n)
{
	uint32_t k = (uint32_t)d->nops;
	struct list l = { 0 };

	add(&l, CK_CUT_ALL, 0, 0);
	if (times_differ(d)) {
		add(&l, CK_CUT_ALL, 0, 0);
		l.v[l.n - 1].times = CK_TIMES_OLD;
		add(&l, CK_CUT_NONE, 0, 0);
		l.v[l.n - 1].times = CK_TIMES_NEW;
	}
	if (k)
		add(&l, CK_CUT_NONE, 0, 0);
	if (k >= 2)
		add_range(&l, CK_CUT_DROP, 0, k, limits->singles);
	if (k >= 3) { /* what these leave out at both ends is among those before */
		add_range(&l, CK_CUT_PREFIX, 1, k - 1, limits->edges);
		add_range(&l, CK_CUT_SUFFIX, 2, k, limits->edges);
		add_range(&l, CK_CUT_ONLY, 1, k - 1, limits->singles);
	}
	add_writes(&l, d, limits);
	add_files(&l, d, limits);
	if (k >= 4) {
		for (unsigned i = 0; i < limits->pairs; i++) {
			uint32_t a = hash32(limits->seed, 2 * i) % k;
			uint32_t b = hash32(limits->seed, 2 * i + 1) % (k - 1);

			add(&l, CK_CUT_DROP_TWO, a, b + (b >= a));
		}
		for (unsigned i = 0; i < limits->random; i++)
			add(&l, CK_CUT_RANDOM, hash32(limits->seed, i), 0);
	}
	*n = l.n;
	return l.v;
}

/* --- for a person ----------------------------------------------------------------------------- */

char *ck_disk_cut_text(const struct ck_disk_cut *cut, char *buf, size_t room)
{
	static const char *const text[] = {
		[CK_CUT_ALL] = "all survive", [CK_CUT_NONE] = "none survive",
		[CK_CUT_DROP] = "%u lost", [CK_CUT_DROP_TWO] = "%u and %u lost",
		[CK_CUT_ONLY] = "only %u survives", [CK_CUT_PREFIX] = "those before %u survive",
		[CK_CUT_SUFFIX] = "those from %u on survive",
		[CK_CUT_TORN] = "%u torn, %u bytes survive",
		[CK_CUT_TORN_END] = "%u torn, the first %u bytes are lost",
		[CK_CUT_TORN_ALONE] = "%u alone, %u bytes of it", [CK_CUT_GARBAGE] = "%u is garbage",
		[CK_CUT_ZEROS] = "%u is zeros", [CK_CUT_NAMES] = "only names survive",
		[CK_CUT_BYTES] = "only bytes survive", [CK_CUT_FILE_LOST] = "the file of %u is lost",
		[CK_CUT_FILE_ONLY] = "only the file of %u survives",
		[CK_CUT_RANDOM] = "a subset by seed %u",
	};
	static const char *const times[] = { "", ", times old", ", times new" };
	char what[100];

	snprintf(what, sizeof(what), text[cut->kind], cut->a, cut->b);
	snprintf(buf, room, "%s%s", what, times[cut->times]);
	return buf;
}

char *ck_disk_call_text(const struct ck_disk_call *call, char *buf, size_t room)
{
	static const char *const what[] = { "create", "truncate", "write", "copy", "clone", "xattr",
					    "sync", "rename", "link", "symlink", "unlink",
					    "sync_dir" };

	snprintf(buf, room, "%llu: %s %s%s%s %llu+%llu", (unsigned long long)call->number,
		 what[call->what], call->path, call->to ? " to " : "", call->to ? call->to : "",
		 (unsigned long long)call->off, (unsigned long long)call->n);
	return buf;
}

void ck_disk_print(struct ck_disk *d, FILE *to)
{
	static const char *const kinds[] = { "write", "truncate", "xattr", "name" };

	for (size_t i = 0; i < d->nnames; i++) {
		const struct name *n = &d->names[i];

		fprintf(to, "# %.*s: inode %d, durable %d", (int)n->path->n, (char *)n->path->p,
			(int)n->now, (int)n->kept);
		if (n->now != NO_SLOT)
			fprintf(to, ", %zu bytes, %zu durable", d->slots[n->now].inode->now->n,
				d->slots[n->now].inode->kept->n);
		fprintf(to, "\n");
	}
	for (size_t i = 0; i < d->nops; i++) {
		const struct op *o = d->ops[i];

		fprintf(to, "# pending %zu: %s of inode %d, %llu+%zu %.*s%s%.*s\n", i,
			kinds[o->kind], (int)o->slot, (unsigned long long)o->off,
			o->data ? o->data->n : 0, o->path ? (int)o->path->n : 0,
			o->path ? (char *)o->path->p : "", o->from ? " from " : "",
			o->from ? (int)o->from->n : 0, o->from ? (char *)o->from->p : "");
	}
}
