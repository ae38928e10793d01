/* test_progress.c - the line that shows how far work is, on a pseudo terminal. */
#include "base/progress.h"

#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static int master, slave;

/* What the terminal got so far; "" where it got nothing. */
static const char *seen(void)
{
	static char text[4096];
	struct pollfd p = { .fd = master, .events = POLLIN };
	ssize_t n = 0;

	if (poll(&p, 1, 0) == 1)
		n = read(master, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_terminal(void)
{
	struct ck_meter m;

	ck_meter_init(&m, slave);
	ck_meter_show(&m, "copying", 1000000, 3000000);
	tap_is_str(seen(), "", "nothing in the first second");
	ck_meter_clear(&m);
	tap_is_str(seen(), "", "what was not shown is not erased");
	m.started -= 1000;
	ck_meter_show(&m, "copying", 1999999, 3000000);
	tap_is_str(seen(), "\rcopying: 1 of 3 MB\033[K", "a line after that");
	ck_meter_show(&m, "copying", 2000000, 3000000);
	tap_is_str(seen(), "", "not again at once");
	m.shown -= 200;
	ck_meter_call(&m, "copying", 2000000, 3000000);
	tap_is_str(seen(), "\rcopying: 2 of 3 MB\033[K", "again a little later");
	m.shown -= 200;
	ck_meter_show(&m, "reading", 5000000, 0);
	tap_is_str(seen(), "\rreading: 5 MB\033[K", "without an end that is known");
	m.shown -= 200;
	ck_meter_show(&m, "comparing", UINT64_MAX, UINT64_MAX);
	tap_is_str(seen(), "\rcomparing: 18446744073709 of 18446744073709 MB\033[K",
		   "the largest numbers");
	ck_meter_clear(&m);
	tap_is_str(seen(), "\r\033[K", "erased");
	ck_meter_done(&m);
	tap_is_str(seen(), "", "once");
}

static void test_elsewhere(void)
{
	struct ck_meter m;
	int fds[2];
	char c;

	if (pipe2(fds, O_NONBLOCK) < 0)
		exit(1);
	ck_meter_init(&m, fds[1]);
	m.started -= 2000;
	ck_meter_show(&m, "copying", 1, 2);
	ck_meter_done(&m);
	tap_ok(read(fds[0], &c, 1) < 0, "nothing to what is no terminal");
}

int main(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) {
		printf("1..0 # SKIP no pseudo terminals here\n");
		return 0;
	}
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0) {
		printf("1..0 # SKIP no pseudo terminals here\n");
		return 0;
	}
	tap_plan(10);
	test_terminal();
	test_elsewhere();
	return tap_done();
}
