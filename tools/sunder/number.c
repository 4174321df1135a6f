/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers and durations as people write them
 */
#include <string.h>

#include "error.h"
#include "verbs.h"

static const struct {
    const char *name;
    guint64 ns;
} duration_units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "ms", 1000 * 1000 },
    { "s", G_GUINT64_CONSTANT(1000) * 1000 * 1000 },
    { "m", G_GUINT64_CONSTANT(60) * 1000 * 1000 * 1000 },
    { "h", G_GUINT64_CONSTANT(3600) * 1000 * 1000 * 1000 },
};

/* Nanoseconds of the unit @name; @fallback for "", 0 for no unit. */
static guint64 duration_unit(const char *name, guint64 fallback)
{
    if (!*name) {
        return fallback;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(duration_units); i++) {
        if (!strcmp(name, duration_units[i].name)) {
            return duration_units[i].ns;
        }
    }
    return 0;
}

/*
 * What follows a decimal point, in nanoseconds of @unit; *@end moves behind.
 * Digits below a nanosecond are dropped.
 */
static guint64 duration_fraction(const char **end, guint64 unit)
{
    guint64 ns = 0;

    for (; g_ascii_isdigit(**end); ++*end) {
        unit /= 10;
        ns += unit * (guint64)(**end - '0');
    }
    return ns;
}

bool verb_parse_duration(const char *text, guint64 unit_ns, guint64 *ns,
                         GError **error)
{
    char *whole_end = NULL;
    const char *end = text;
    guint64 whole = 0, unit = 0, fraction = 0;
    bool point;

    if (g_ascii_isdigit(*text)) {
        whole = g_ascii_strtoull(text, &whole_end, 10);
        end = whole_end;
    }
    point = whole_end && *end == '.' && g_ascii_isdigit(end[1]);
    if (whole_end) {
        unit = duration_unit(point ? end + 1 + strspn(end + 1, G_CSET_DIGITS)
                                   : end, unit_ns);
    }
    if (point) {
        end++;
        fraction = duration_fraction(&end, unit);
    }
    if (!unit || whole > (G_MAXINT64 - fraction) / unit) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "duration \"%s\": expected a number with ns, us, ms, s, m "
                    "or h behind it, like 50ms", text);
        return false;
    }
    *ns = whole * unit + fraction;
    return true;
}

bool verb_parse_timeout(const char *option, const char *text, int *ms,
                        GError **error)
{
    guint64 ns;

    if (!text) {
        *ms = -1;
        return true;
    }
    if (!verb_parse_duration(text, G_GUINT64_CONSTANT(1000000000), &ns,
                             error)) {
        g_prefix_error(error, "%s: ", option);
        return false;
    }
    *ms = (int)MIN(ns / 1000000, (guint64)G_MAXINT);
    return true;
}

bool verb_parse_number(const char *text, guint64 *value, GError **error)
{
    bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = hexadecimal ? text + 2 : text;
    g_autoptr(GError) why = NULL;

    if (g_ascii_string_to_unsigned(digits, hexadecimal ? 16 : 10, 0,
                                   G_MAXUINT64, value, &why)) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "number \"%s\": expected 0 to 18446744073709551615, or "
                "hexadecimal with 0x", text);
    return false;
}
