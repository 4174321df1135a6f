/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers and durations as people write them
 */
#include <criterion/criterion.h>

#include "error.h"
#include "verbs.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

static guint64 duration(const char *text)
{
    guint64 ns = 0;

    cr_assert(verb_parse_duration(text, SECOND, &ns, NULL), "%s", text);
    return ns;
}

Test(number, durations_have_units)
{
    cr_expect_eq(duration("7ns"), 7);
    cr_expect_eq(duration("1500us"), 1500000);
    cr_expect_eq(duration("50ms"), 50000000);
    cr_expect_eq(duration("2s"), 2 * SECOND);
    cr_expect_eq(duration("3m"), 180 * SECOND);
    cr_expect_eq(duration("1h"), 3600 * SECOND);
}

Test(number, durations_without_unit_take_the_given_one)
{
    cr_expect_eq(duration("5"), 5 * SECOND);
    cr_expect_eq(duration("0"), 0);
}

Test(number, durations_may_have_a_fraction)
{
    cr_expect_eq(duration("1.5s"), 1500000000);
    cr_expect_eq(duration("0.25"), 250000000);
    cr_expect_eq(duration("2.5ms"), 2500000);
    cr_expect_eq(duration("0.1234567891s"), 123456789);
}

Test(number, durations_that_make_no_sense_are_refused)
{
    static const char *const bad[] = {
        "", " ", "s", "-1s", "+1s", "1 s", "1S", "1sec", "1.s", ".5s", "1..5s",
        "0x10", "1e3", "10000000000h", "99999999999999999999",
        "9223372036.9s", "1s ",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        guint64 ns;

        cr_expect_not(verb_parse_duration(bad[i], SECOND, &ns, &error),
                      "\"%s\"", bad[i]);
        cr_expect(g_error_matches(error, SUNDER_ERROR, SUNDER_ERROR_USAGE));
    }
}

Test(number, numbers_are_decimal_or_hexadecimal)
{
    guint64 value;

    cr_assert(verb_parse_number("18446744073709551615", &value, NULL));
    cr_expect_eq(value, G_MAXUINT64);
    cr_assert(verb_parse_number("0xFFFFffffFFFFffff", &value, NULL));
    cr_expect_eq(value, G_MAXUINT64);
    cr_assert(verb_parse_number("0", &value, NULL));
    cr_expect_eq(value, 0);
}

Test(number, numbers_that_make_no_sense_are_refused)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x", "0x-1", "ten", "1k",
        "18446744073709551616", "0x10000000000000000",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        guint64 value;

        cr_expect_not(verb_parse_number(bad[i], &value, NULL), "\"%s\"",
                      bad[i]);
    }
}

Test(number, timeouts_are_milliseconds)
{
    int ms;

    cr_assert(verb_parse_timeout("--timeout", NULL, &ms, NULL));
    cr_expect_eq(ms, -1);
    cr_assert(verb_parse_timeout("--timeout", "1.5", &ms, NULL));
    cr_expect_eq(ms, 1500);
    cr_assert(verb_parse_timeout("--timeout", "2000000h", &ms, NULL));
    cr_expect_eq(ms, G_MAXINT);
}
