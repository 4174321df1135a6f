/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "number.h"

uint64_t number_of(const char *program, const char *option, const char *text,
                   uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 0);

    if (!*text || *text == '-' || *end || value < least || value > most) {
        fprintf(stderr, "%s: error: --%s %s: expected a number from "
                "%" PRIu64 " to %" PRIu64 "\n", program, option, text, least,
                most);
        exit(2);
    }
    return value;
}
