/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: the control queue.  The input is features and a row of
 * commands, each behind a byte of its length; and, if the first byte says
 * so, a saved state instead.
 */
#include <string.h>

#include "target-models/bytes.h"
#include "target-models/net/control.h"

#define PAIRS   4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What hw relies on. */
static void check(const Control *c)
{
    MacFilter filter;

    control_filter(c, &filter);
    g_assert(filter.n_addresses <= MAC_MAX_ADDRESSES);
    g_assert(c->pairs >= 1 && c->pairs <= PAIRS);
    g_assert(c->hash.unclassified < PAIRS);
    g_assert(c->hash.mask < NIC_RSS_TABLE);
    for (unsigned i = 0; i <= c->hash.mask; i++) {
        g_assert(c->hash.table[i] < PAIRS);
    }
}

/* What was refused changed nothing. */
static void command(Control *c, const uint8_t *data, size_t size)
{
    g_autofree uint8_t *bytes = g_memdup2(data, size);
    g_autofree Control *before = g_memdup2(c, sizeof(*c));
    ControlAnswer answer;

    control_command(c, bytes, size, &answer);
    if (!answer.ok) {
        g_assert(answer.changed == 0 && answer.n_result == 0);
        g_assert(memcmp(before, c, sizeof(*c)) == 0);
    }
    check(c);
}

static void save_and_load(const Control *c)
{
    g_autofree Control *other = g_memdup2(c, sizeof(*c));
    g_autoptr(GByteArray) state = control_save(c);
    g_autoptr(GByteArray) again = NULL;

    g_assert(control_load(other, state->data, state->len, NULL));
    again = control_save(other);
    g_assert(again->len == state->len);
    g_assert(memcmp(again->data, state->data, state->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ControlConfig config = { .address = 1, .max_pairs = PAIRS };
    g_autofree Control *c = g_new0(Control, 1);

    if (size < 9) {
        return 0;
    }
    control_init(c, &config);
    if (data[0] % 4 == 0) {
        control_set_features(c, UINT64_MAX);
        control_load(c, data + 1, size - 1, NULL);
        check(c);
        return 0;
    }
    control_set_features(c, data[0] % 4 == 1 ? bytes_le64(data + 1)
                                             : UINT64_MAX);
    c->announcing = data[0] & 4;
    for (data += 9, size -= 9; size > 0;) {
        size_t n = MIN(data[0], size - 1);

        command(c, data + 1, n);
        data += 1 + n;
        size -= 1 + n;
    }
    save_and_load(c);
    return 0;
}
