/* rw_open.c - see rw_open.h. */
#include "fuse/rw_open.h"

#include "fuse/rw.h"

#include <fcntl.h>
#include <stdlib.h>

#define FIRST_ROOM 256 /* chains; a power of two, as all that follow */

struct ck_rw_seen {
	fuse_ino_t ino;
	uint64_t version;
	struct ck_rw_seen *next; /* of the chain */
};

void ck_rw_opens_init(struct ck_rw_opens *o)
{
	*o = (struct ck_rw_opens){ 0 };
	pthread_mutex_init(&o->lock, NULL);
}

static void destroy(struct ck_rw_file *f)
{
	if (f->plain)
		ck_stage_file_release(f->plain);
	if (f->file)
		ck_stage_file_release(f->file);
	ck_buf_done(&f->text);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void ck_rw_opens_done(struct ck_rw *rw)
{
	struct ck_rw_opens *o = &rw->opens;

	while (o->list) {
		struct ck_rw_file *f = o->list;

		o->list = f->next;
		destroy(f);
	}
	for (size_t i = 0; i < o->room; i++) {
		while (o->seen[i]) {
			struct ck_rw_seen *s = o->seen[i];

			o->seen[i] = s->next;
			free(s);
		}
	}
	free(o->seen);
	pthread_mutex_destroy(&o->lock);
}

struct ck_rw_file *ck_rw_file_new(struct ck_rw *rw, fuse_ino_t ino, struct ck_sfile *file,
				  int flags, bool cached)
{
	struct ck_rw_file *f = calloc(1, sizeof(*f));

	if (!f) {
		if (file)
			ck_stage_file_release(file);
		return NULL;
	}
	pthread_mutex_init(&f->lock, NULL);
	f->refs = 1;
	f->ino = ino;
	f->file = file;
	f->writable = (flags & O_ACCMODE) != O_RDONLY;
	f->append = flags & O_APPEND;
	f->cached = cached;
	if (file)
		f->version = ck_stage_file_version(file);
	pthread_mutex_lock(&rw->opens.lock);
	f->next = rw->opens.list;
	if (f->next)
		f->next->prev = f;
	rw->opens.list = f;
	pthread_mutex_unlock(&rw->opens.lock);
	return f;
}

void ck_rw_file_ref(struct ck_rw_file *f)
{
	__atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
}

void ck_rw_file_unref(struct ck_rw *rw, struct ck_rw_file *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pthread_mutex_lock(&rw->opens.lock);
	if (f->prev)
		f->prev->next = f->next;
	else
		rw->opens.list = f->next;
	if (f->next)
		f->next->prev = f->prev;
	pthread_mutex_unlock(&rw->opens.lock);
	destroy(f);
}

static struct ck_rw_seen **chain(struct ck_rw_seen **seen, size_t room, fuse_ino_t ino)
{
	return &seen[(ino * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (room - 1)];
}

static void grow_locked(struct ck_rw_opens *o)
{
	size_t room = o->room ? o->room * 2 : FIRST_ROOM;
	struct ck_rw_seen **seen = calloc(room, sizeof(struct ck_rw_seen *));

	if (!seen)
		return; /* longer chains do as well */
	for (size_t i = 0; i < o->room; i++) {
		while (o->seen[i]) {
			struct ck_rw_seen *s = o->seen[i], **to = chain(seen, room, s->ino);

			o->seen[i] = s->next;
			s->next = *to;
			*to = s;
		}
	}
	free(o->seen);
	o->seen = seen;
	o->room = room;
}

bool ck_rw_opens_see(struct ck_rw *rw, const struct ck_rw_file *f)
{
	struct ck_rw_opens *o = &rw->opens;
	struct ck_rw_seen *s = NULL;
	bool same = false;

	pthread_mutex_lock(&o->lock);
	if (o->nseen >= o->room)
		grow_locked(o);
	for (s = o->room ? *chain(o->seen, o->room, f->ino) : NULL; s; s = s->next)
		if (s->ino == f->ino)
			break;
	if (s) {
		same = s->version == f->version;
		s->version = f->version;
	} else if (o->room && (s = malloc(sizeof(*s)))) {
		struct ck_rw_seen **to = chain(o->seen, o->room, f->ino);

		*s = (struct ck_rw_seen){ .ino = f->ino, .version = f->version, .next = *to };
		*to = s;
		o->nseen++;
	}
	pthread_mutex_unlock(&o->lock);
	return same;
}

void ck_rw_opens_forget(struct ck_rw *rw, fuse_ino_t ino)
{
	struct ck_rw_opens *o = &rw->opens;
	struct ck_rw_seen **at, *s;

	pthread_mutex_lock(&o->lock);
	if (o->room) {
		for (at = chain(o->seen, o->room, ino); *at && (*at)->ino != ino;)
			at = &(*at)->next;
		s = *at;
		if (s) {
			*at = s->next;
			free(s);
			o->nseen--;
		}
	}
	pthread_mutex_unlock(&o->lock);
}

void ck_rw_opens_written(struct ck_rw *rw, struct ck_buf *inos)
{
	pthread_mutex_lock(&rw->opens.lock);
	for (struct ck_rw_file *f = rw->opens.list; f; f = f->next)
		if (f->writable && f->cached)
			ck_buf_add(inos, &f->ino, sizeof(f->ino));
	pthread_mutex_unlock(&rw->opens.lock);
}

void ck_rw_opens_outdated(struct ck_rw *rw, struct ck_buf *inos)
{
	pthread_mutex_lock(&rw->opens.lock);
	for (struct ck_rw_file *f = rw->opens.list; f; f = f->next) {
		uint64_t version = f->cached ? ck_stage_file_version(f->file) : 0;

		if (!f->cached || version == f->version)
			continue;
		f->version = version;
		ck_buf_add(inos, &f->ino, sizeof(f->ino));
	}
	pthread_mutex_unlock(&rw->opens.lock);
}
