/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from a machine, as a terminal may get it
 */
#include "verbs.h"

/* Longer ones only hide what stands beside them. */
#define PRINTABLE_MAX 200

char *verb_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "?", -1);
    GString *clean = g_string_new(NULL);
    unsigned count = 0;

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);

        if (count++ == PRINTABLE_MAX) {
            g_string_append(clean, "...");
            break;
        }
        /* Controls, and what turns the direction of text (format, Cf). */
        if (g_unichar_isprint(character) &&
            g_unichar_type(character) != G_UNICODE_FORMAT &&
            g_unichar_type(character) != G_UNICODE_LINE_SEPARATOR &&
            g_unichar_type(character) != G_UNICODE_PARAGRAPH_SEPARATOR) {
            g_string_append_unichar(clean, character);
        } else {
            g_string_append_printf(clean, "\\u{%x}", character);
        }
    }
    return g_string_free(clean, FALSE);
}
