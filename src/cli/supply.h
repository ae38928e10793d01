/*
 * supply.h - the variables of a checkpoint that is copied from.
 *
 * What was published of it, or, where SOURCE is a mount point, what the mount shows: staged edits
 * too.
 */
#ifndef CK_CLI_SUPPLY_H
#define CK_CLI_SUPPLY_H

#include "cli/editor.h"
#include "cli/through.h"

struct ck_supply {
	struct ck_model *model; /* NULL: through a mount */
	struct ck_through mount;
	struct ck_namelist names; /* the mount's */
	char *prefix; /* the checkpoint's */
};

int ck_supply_open(const char *source, bool force, struct ck_supply *ret, struct ck_err *err);
void ck_supply_done(struct ck_supply *s);
struct ck_catalog ck_supply_catalog(const struct ck_supply *s);

/* One variable being read. */
struct ck_item {
	struct ck_supply *from;
	uint32_t var;
	int fd; /* -1: of the model */
	uint64_t off;
	struct ck_varmeta *meta;
	struct ck_feed feed; /* points to this item */
};

/* i: as in the catalog. The item must not move until ck_item_done(). */
int ck_item_open(struct ck_supply *s, uint32_t i, struct ck_item *ret, struct ck_err *err);
void ck_item_done(struct ck_item *item);
/* Whether it can be read, as far as that can be said without opening it. */
int ck_supply_readable(const struct ck_supply *s, uint32_t i, struct ck_err *err);
/* How many bytes it has, as far as that can be said without opening it. */
uint64_t ck_supply_size(const struct ck_supply *s, uint32_t i);

#endif
