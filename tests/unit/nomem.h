/*
 * nomem.h - has memory run out, in tests that are linked with $(NOMEM_LINK).
 *
 * The linker puts these functions in the place of malloc, calloc and realloc for the test and the library,
 * not for what these are linked with.
 */
#ifndef CK_TESTS_NOMEM_H
#define CK_TESTS_NOMEM_H

/* The call that counts this down to 0 fails; 0: none does. */
extern unsigned nomem_at;

#endif
