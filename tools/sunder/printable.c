/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from a machine, as a terminal may get it
 */
#include "verbs.h"

/* Longer ones only hide what stands beside them. */
#define PRINTABLE_MAX 200

/* Controls, and what turns the direction of text (format, Cf), are not. */
static bool printable_character(gunichar character)
{
    GUnicodeType type = g_unichar_type(character);

    return g_unichar_isprint(character) && type != G_UNICODE_FORMAT &&
           type != G_UNICODE_LINE_SEPARATOR &&
           type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

static char *printable(const char *text, unsigned most, bool lines)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "?", -1);
    GString *clean = g_string_new(NULL);
    unsigned count = 0;

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);

        if (count++ == most) {
            g_string_append(clean, "...");
            break;
        }
        if (printable_character(character) ||
            (lines && character == '\n')) {
            g_string_append_unichar(clean, character);
        } else {
            g_string_append_printf(clean, "\\u{%x}", character);
        }
    }
    return g_string_free(clean, FALSE);
}

char *verb_printable(const char *text)
{
    return printable(text, PRINTABLE_MAX, false);
}

char *verb_printable_lines(const char *text)
{
    return printable(text, UINT_MAX, true);
}
