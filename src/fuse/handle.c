/* handle.c - see handle.h. */
#include "fuse/handle.h"

#include "fuse/node.h"

#include <stdlib.h>

static void enter(struct ck_handle *h, struct ck_slot *slot)
{
	pthread_mutex_lock(&slot->lock);
	h->slot = slot;
	h->prev = NULL;
	h->next = slot->handles;
	if (h->next)
		h->next->prev = h;
	slot->handles = h;
	pthread_mutex_unlock(&slot->lock);
}

static void leave(struct ck_handle *h)
{
	pthread_mutex_lock(&h->slot->lock);
	if (h->prev)
		h->prev->next = h->next;
	else
		h->slot->handles = h->next;
	if (h->next)
		h->next->prev = h->prev;
	pthread_mutex_unlock(&h->slot->lock);
}

struct ck_handle *ck_handle_new(struct ck_node *n)
{
	struct ck_handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	pthread_mutex_init(&h->lock, NULL);
	h->refs = 1;
	h->var = CK_NO_VAR;
	h->ino = n->ino;
	h->node = n->node;
	h->kind = n->kind;
	enter(h, n->slot);
	n->slot = NULL;
	return h;
}

static void destroy(struct ck_handle *h)
{
	ck_buf_done(&h->text);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void ck_handle_ref(struct ck_handle *h)
{
	__atomic_add_fetch(&h->refs, 1, __ATOMIC_RELAXED);
}

void ck_handle_unref(struct ck_mount *m, struct ck_handle *h)
{
	if (__atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	leave(h);
	ck_slot_put(&m->slots, h->slot, 1);
	destroy(h);
}

void ck_handle_free_all(struct ck_slot *slot)
{
	while (slot->handles) {
		struct ck_handle *h = slot->handles;

		slot->handles = h->next;
		destroy(h);
	}
}

bool ck_handle_is_open(struct ck_slot *slot, fuse_ino_t ino)
{
	bool open = false;

	pthread_mutex_lock(&slot->lock);
	for (struct ck_handle *h = slot->handles; h && !open; h = h->next)
		open = h->ino == ino;
	pthread_mutex_unlock(&slot->lock);
	return open;
}
