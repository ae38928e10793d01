/* slot.c - see slot.h. */
#include "fuse/slot.h"

#include "base/log.h"
#include "core/ckpt.h"
#include "fuse/handle.h"
#include "saver/stage.h"

#include <errno.h>
#include <stdlib.h>

void ck_slots_init(struct ck_slots *s)
{
	*s = (struct ck_slots){ .last = CK_INO_SLOTS - 1 };
	pthread_mutex_init(&s->lock, NULL);
}

struct ck_slot *ck_slot_free(struct ck_slot *s)
{
	if (!s)
		return NULL;
	ck_tree_free(s->tree);
	ck_model_unref(s->model);
	ck_listing_done(&s->listing);
	free(s->checked);
	free(s->pending);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

void ck_slots_done(struct ck_slots *s)
{
	while (s->list) {
		struct ck_slot *slot = s->list;

		s->list = slot->next;
		ck_handle_free_all(slot);
		ck_slot_free(slot);
	}
	s->current = NULL;
	pthread_mutex_destroy(&s->lock);
}

static int find_subdir(struct ck_slot *s, const char *source, const char *subdir,
		       struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	struct ck_entry e;

	ck_quote(quoted, sizeof(quoted), subdir, strlen(subdir));
	if (!subdir[strspn(subdir, "/")])
		return 0;
	if (ck_tree_find_path(s->tree, 0, 0, subdir, &e) < 0)
		return ck_fail(err, CK_MISSING, ENOENT, "%s: has no folder %s, as subdir= wants",
			       source, quoted);
	if (e.kind != CK_KIND_DIR)
		return ck_fail(err, CK_MISSING, ENOTDIR,
			       "%s: %s is a file, and subdir= wants a folder", source, quoted);
	s->root = e.node;
	return 0;
}

static void note_pending(struct ck_slot *s)
{
	struct ck_buf b = CK_BUF_INIT;

	ck_stage_pending(&ck_vfs_posix, s->model->path, &b);
	if (b.n && !ck_buf_failed(&b)) {
		ck_log("%s", b.p);
		s->pending = b.p;
	} else {
		ck_buf_done(&b);
	}
}

int ck_slot_open(const char *source, const char *cwd, const struct ck_options *o,
		 struct ck_slot **ret, struct ck_err *err)
{
	struct ck_tree_options shape = { .sep = o->sep, .raw_names = o->raw_names };
	struct ck_slot *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return ck_fail_nomem(err, source);
	pthread_mutex_init(&s->lock, NULL);
	ck_listing_init(&s->listing, cwd);
	s->refs = 1;
	r = ck_open(source, o->force ? CK_OPEN_FORCE : 0, &s->model, err);
	if (r == 0)
		r = ck_tree_build(s->model, &shape, &s->tree, err);
	if (r == 0 && o->subdir)
		r = find_subdir(s, source, o->subdir, err);
	if (r == 0 && o->verify_open) {
		s->checked = calloc((size_t)s->model->nvars + 1, 1);
		if (!s->checked)
			r = ck_fail_nomem(err, source);
	}
	if (r < 0) {
		ck_slot_free(s);
		return r;
	}
	for (uint32_t i = 0; i < s->model->nvars; i++)
		if (!ck_add_u64(s->bytes, s->model->vars[i].nbytes, &s->bytes))
			s->bytes = UINT64_MAX;
	note_pending(s);
	clock_gettime(CLOCK_REALTIME, &s->opened);
	*ret = s;
	return 0;
}

static struct ck_slot *find_locked(struct ck_slots *s, uint32_t number)
{
	for (struct ck_slot *slot = s->list; slot; slot = slot->next)
		if (slot->number == number)
			return slot;
	return NULL;
}

void ck_slots_show(struct ck_slots *s, struct ck_slot *slot, struct ck_slot **ret)
{
	pthread_mutex_lock(&s->lock);
	do
		s->last = (s->last + 1) % CK_INO_SLOTS;
	while (find_locked(s, s->last));
	slot->number = s->last;
	slot->next = s->list;
	s->list = slot;
	*ret = s->current;
	s->current = slot;
	pthread_mutex_unlock(&s->lock);
}

/* One more, unless it is at zero already and about to be freed. */
static bool revive(struct ck_slot *slot)
{
	uint64_t n = __atomic_load_n(&slot->refs, __ATOMIC_RELAXED);

	while (n)
		if (__atomic_compare_exchange_n(&slot->refs, &n, n + 1, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

struct ck_slot *ck_slots_current(struct ck_slots *s)
{
	struct ck_slot *slot;

	pthread_mutex_lock(&s->lock);
	slot = s->current;
	ck_slot_ref(slot);
	pthread_mutex_unlock(&s->lock);
	return slot;
}

struct ck_slot *ck_slots_get(struct ck_slots *s, uint32_t number)
{
	struct ck_slot *slot;

	pthread_mutex_lock(&s->lock);
	slot = find_locked(s, number);
	if (slot && !revive(slot))
		slot = NULL;
	pthread_mutex_unlock(&s->lock);
	return slot;
}

bool ck_slots_is_current(struct ck_slots *s, const struct ck_slot *slot)
{
	bool is;

	pthread_mutex_lock(&s->lock);
	is = s->current == slot;
	pthread_mutex_unlock(&s->lock);
	return is;
}

static int64_t now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

void ck_slot_listing(struct ck_slot *slot)
{
	__atomic_store_n(&slot->listed, now_seconds(), __ATOMIC_RELAXED);
}

bool ck_slot_in_listing(const struct ck_slot *slot)
{
	int64_t when = __atomic_load_n(&slot->listed, __ATOMIC_RELAXED);

	return when && now_seconds() - when < CK_SLOT_LISTING_SECONDS;
}

void ck_slot_ref(struct ck_slot *slot)
{
	__atomic_add_fetch(&slot->refs, 1, __ATOMIC_RELAXED);
}

void ck_slot_put(struct ck_slots *s, struct ck_slot *slot, uint64_t n)
{
	struct ck_slot **at;

	if (__atomic_sub_fetch(&slot->refs, n, __ATOMIC_ACQ_REL) > 0)
		return;
	/* Nobody can get a new reference: revive() refuses. */
	pthread_mutex_lock(&s->lock);
	for (at = &s->list; *at != slot; at = &(*at)->next)
		;
	*at = slot->next;
	pthread_mutex_unlock(&s->lock);
	ck_slot_free(slot);
}

void ck_slots_forget(struct ck_slots *s, uint32_t number, uint64_t n)
{
	struct ck_slot *slot = ck_slots_get(s, number);

	if (slot)
		ck_slot_put(s, slot, n + 1);
}
