/*
 * number.c - see number.h.
 *
 * NumPy's default print options: 8 digits of precision, no suppression of small numbers. When a
 * number gets an exponent depends on its type since NumPy 2.3: from where its digits no longer
 * reach down to the ones.
 */
#include "core/number.h"

#include "core/decimal.h"

#include <math.h>

#define DIGITS 8 /* behind the point */

/* What a type's numbers are made of, and from where on they get an exponent. */
static const struct {
	int mantissa_bits;
	int lowest; /* the exponent of the last bit of the smallest number */
	double column_max; /* in arrays: numbers from here on, ... */
	double column_min; /* ... below here, ... */
	double column_ratio; /* ... or where the largest is more than so many times the smallest */
	double alone_max; /* without an array: from here on */
} precisions[] = {
	/* The limits are rounded to the type, and so is the ratio that is compared. */
	[CK_PRECISION_HALF] = { 11, -24, 1e3, 0x1.a38p-14, 1000.25, 1e3 },
	[CK_PRECISION_SINGLE] = { 24, -149, 1e6, 0x1.a36e2ep-14, 1e3, 1e6 },
	[CK_PRECISION_DOUBLE] = { 53, -1074, 1e8, 1e-4, 1e3, 1e16 },
};

/* Text under way; what is made here is far shorter than CK_NUMBER_MAX. */
struct text {
	char *p;
	size_t n;
};

static void put(struct text *t, char c, int times)
{
	for (; times > 0; times--)
		t->p[t->n++] = c;
}

static void put_str(struct text *t, const char *s)
{
	for (; *s; s++)
		t->p[t->n++] = *s;
}

static struct ck_binary split(enum ck_precision precision, double v)
{
	int bits = precisions[precision].mantissa_bits;
	int lowest = precisions[precision].lowest;
	struct ck_binary b = { 0 };

	if (v == 0)
		return b;
	b.exponent = ilogb(v) - (bits - 1);
	if (b.exponent < lowest)
		b.exponent = lowest;
	b.mantissa = (uint64_t)scalbn(fabs(v), -b.exponent);
	b.uneven = b.mantissa == (uint64_t)1 << (bits - 1) && b.exponent > lowest;
	return b;
}

static int whole_digits(const struct ck_decimal *d)
{
	return d->exponent < 0 ? 1 : d->exponent + 1;
}

static int fraction_digits(const struct ck_decimal *d)
{
	return d->n - 1 > d->exponent ? d->n - 1 - d->exponent : 0;
}

static int exponent_digits(const struct ck_decimal *d)
{
	return d->exponent <= -100 || d->exponent >= 100 ? 3 : 2;
}

/* The digit that stands for 10^place. */
static char digit_at(const struct ck_decimal *d, int place)
{
	int i = d->exponent - place;

	return i < 0 || i >= d->n ? '0' : d->digits[i];
}

static void put_positional(struct text *t, const struct ck_decimal *d)
{
	for (int place = whole_digits(d) - 1; place >= 0; place--)
		put(t, digit_at(d, place), 1);
	put(t, '.', 1);
	for (int place = -1; place >= -fraction_digits(d); place--)
		put(t, digit_at(d, place), 1);
}

static void put_exponent(struct text *t, int exponent, int digits)
{
	int e = exponent < 0 ? -exponent : exponent;

	put(t, 'e', 1);
	put(t, exponent < 0 ? '-' : '+', 1);
	if (digits > 2)
		put(t, (char)('0' + e / 100), 1);
	put(t, (char)('0' + e / 10 % 10), 1);
	put(t, (char)('0' + e % 10), 1);
}

static void put_sign(struct text *t, bool minus, bool plus)
{
	if (minus || plus)
		put(t, minus ? '-' : '+', 1);
}

/* An infinity, or NaN, which has no sign that anybody would want to see. */
static void put_special(struct text *t, double v, bool plus)
{
	put_sign(t, v < 0, plus);
	put_str(t, isnan(v) ? "nan" : "inf");
}

void ck_column_init(struct ck_column *c, enum ck_precision precision, bool plus)
{
	*c = (struct ck_column){ .precision = precision, .plus = plus };
}

void ck_column_range(struct ck_column *c, double v)
{
	double magnitude = fabs(v);

	if (!isfinite(v)) {
		c->special = true;
		c->minus_inf |= v < 0;
		return;
	}
	c->finite = true;
	if (magnitude > c->max)
		c->max = magnitude;
	if (magnitude > 0 && (c->min == 0 || magnitude < c->min))
		c->min = magnitude;
}

void ck_column_choose(struct ck_column *c)
{
	double ratio;

	if (c->min == 0)
		return;
	if (c->precision == CK_PRECISION_DOUBLE)
		ratio = c->max / c->min;
	else
		ratio = (float)c->max / (float)c->min;
	c->exponent = c->max >= precisions[c->precision].column_max ||
		      c->min < precisions[c->precision].column_min ||
		      ratio > precisions[c->precision].column_ratio;
}

void ck_column_measure(struct ck_column *c, double v)
{
	struct ck_decimal_limits limits = { 0 };
	struct ck_decimal d;
	int left, right;

	if (!isfinite(v))
		return;
	if (c->exponent)
		limits.max = 1 + DIGITS;
	else
		limits.fraction = DIGITS;
	ck_decimal(split(c->precision, v), limits, &d);
	left = (c->exponent ? 1 : whole_digits(&d)) + (signbit(v) || c->plus);
	right = c->exponent ? d.n - 1 : fraction_digits(&d);
	if (left > c->left)
		c->left = left;
	if (right > c->right)
		c->right = right;
	if (c->exponent && exponent_digits(&d) > c->exponent_digits)
		c->exponent_digits = exponent_digits(&d);
}

/* Columns that every number takes. */
static int width(const struct ck_column *c)
{
	int numbers = c->left + 1 + c->right + (c->exponent ? 2 + c->exponent_digits : 0);
	int specials = c->special ? 3 + (c->plus || c->minus_inf) : 0;

	return numbers > specials ? numbers : specials;
}

size_t ck_column_print(const struct ck_column *c, double v, char text[CK_NUMBER_MAX])
{
	int sign = signbit(v) || c->plus;
	struct ck_decimal_limits limits = { 0 };
	struct text t = { .p = text };
	struct ck_decimal d;

	if (!isfinite(v)) {
		put(&t, ' ', width(c) - 3 - (v < 0 || c->plus));
		put_special(&t, v, c->plus);
		return t.n;
	}
	if (c->exponent)
		limits.min = limits.max = 1 + c->right;
	else
		limits.fraction = DIGITS;
	ck_decimal(split(c->precision, v), limits, &d);
	if (!c->exponent) {
		put(&t, ' ', width(c) - c->right - 1 - whole_digits(&d) - sign);
		put_sign(&t, signbit(v), c->plus);
		put_positional(&t, &d);
		put(&t, ' ', c->right - fraction_digits(&d));
		return t.n;
	}
	put(&t, ' ', c->left - 1 - sign);
	put_sign(&t, signbit(v), c->plus);
	put(&t, d.digits[0], 1);
	put(&t, '.', 1);
	for (int i = 1; i <= c->right; i++)
		put(&t, digit_at(&d, d.exponent - i), 1);
	put_exponent(&t, d.exponent, c->exponent_digits);
	return t.n;
}

/* d alone, without a point where there is nothing behind it. */
static void put_alone(struct text *t, const struct ck_decimal *d, bool exponent)
{
	if (!exponent) {
		put_positional(t, d);
		if (!fraction_digits(d))
			t->n--;
		return;
	}
	put(t, d->digits[0], 1);
	if (d->n > 1)
		put(t, '.', 1);
	for (int i = 1; i < d->n; i++)
		put(t, d->digits[i], 1);
	put_exponent(t, d->exponent, exponent_digits(d));
}

/* A number of a type that NumPy knows; true where its text could be an integer's. */
static bool put_number(struct text *t, enum ck_precision precision, double v, bool plus)
{
	double magnitude = fabs(v);
	struct ck_decimal d;
	bool exponent;

	if (!isfinite(v)) {
		put_special(t, v, plus);
		return false;
	}
	exponent = v != 0 && (magnitude < 1e-4 || magnitude >= precisions[precision].alone_max);
	ck_decimal(split(precision, v), (struct ck_decimal_limits){ 0 }, &d);
	put_sign(t, signbit(v), plus);
	put_alone(t, &d, exponent);
	return !exponent && !fraction_digits(&d);
}

size_t ck_number_print(enum ck_precision precision, double v, char text[CK_NUMBER_MAX])
{
	struct text t = { .p = text };

	if (put_number(&t, precision, v, false))
		put_str(&t, ".0");
	return t.n;
}

size_t ck_complex_print(enum ck_precision precision, double re, double im,
			char text[2 * CK_NUMBER_MAX])
{
	struct text t = { .p = text };

	if (re == 0 && !signbit(re)) {
		put_number(&t, precision, im, false);
		put(&t, 'j', 1);
		return t.n;
	}
	put(&t, '(', 1);
	put_number(&t, precision, re, false);
	put_number(&t, precision, im, true);
	put_str(&t, "j)");
	return t.n;
}

size_t ck_number_print_g(double v, char text[CK_NUMBER_MAX])
{
	struct ck_decimal_limits limits = { .min = 6, .max = 6 };
	struct text t = { .p = text };
	struct ck_binary b;
	struct ck_decimal d;

	if (!isfinite(v)) {
		put_special(&t, v, false);
		return t.n;
	}
	b = split(CK_PRECISION_DOUBLE, v);
	b.uneven = false; /* what reads back does not matter here */
	ck_decimal(b, limits, &d);
	put_sign(&t, signbit(v), false);
	put_alone(&t, &d, d.exponent < -4 || d.exponent >= 6);
	return t.n;
}
