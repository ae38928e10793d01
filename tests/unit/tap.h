/*
 * tap.h - the little that a unit test needs to print TAP (Test Anything Protocol).
 *
 * A failure prints what was got and what was wanted; tap_done() gives the exit status. A test
 * program is one process and one thread.
 */
#ifndef CK_TESTS_TAP_H
#define CK_TESTS_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int tap_planned_, tap_run_, tap_failed_;

static inline void tap_plan(int n)
{
	tap_planned_ = n;
	printf("1..%d\n", n);
}

__attribute__((format(printf, 2, 0))) static inline bool tap_v_(bool cond, const char *fmt,
								 va_list ap)
{
	char name[512];

	vsnprintf(name, sizeof(name), fmt, ap);
	for (char *p = name; *p; p++) /* one line, and no '#', which TAP reads as a directive */
		if (*p == '\n' || *p == '#')
			*p = ' ';
	printf("%sok %d - %s\n", cond ? "" : "not ", ++tap_run_, name);
	if (!cond)
		tap_failed_++;
	return cond;
}

__attribute__((format(printf, 2, 3))) static inline bool tap_ok(bool cond, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_v_(cond, fmt, ap);
	va_end(ap);
	return cond;
}

__attribute__((format(printf, 3, 4))) static inline bool tap_is_u64(uint64_t got, uint64_t want,
								     const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!tap_v_(got == want, fmt, ap))
		printf("#      got %" PRIu64 " (0x%" PRIx64 ")\n#   wanted %" PRIu64 " (0x%" PRIx64 ")\n",
		       got, got, want, want);
	va_end(ap);
	return got == want;
}

__attribute__((format(printf, 3, 4))) static inline bool tap_is_str(const char *got,
								     const char *want,
								     const char *fmt, ...)
{
	bool same = got && want && strcmp(got, want) == 0;
	va_list ap;

	va_start(ap, fmt);
	if (!tap_v_(same, fmt, ap)) {
		printf("#      got: ");
		for (const char *p = got ? got : "(null)"; *p; p++)
			printf(*p == '\n' ? "\n#           " : "%c", *p);
		printf("\n#   wanted: ");
		for (const char *p = want ? want : "(null)"; *p; p++)
			printf(*p == '\n' ? "\n#           " : "%c", *p);
		printf("\n");
	}
	va_end(ap);
	return same;
}

static inline int tap_done(void)
{
	if (tap_run_ != tap_planned_)
		printf("# planned %d, ran %d\n", tap_planned_, tap_run_);
	return tap_failed_ || tap_run_ != tap_planned_;
}

#endif
