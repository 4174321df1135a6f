/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzzer's input, read from its front as a program: each operation is a
 * byte that says which, and the operands it takes.
 */
#ifndef SUNDER_FUZZ_INPUT_H
#define SUNDER_FUZZ_INPUT_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* A cursor over the input: zeroes after its end. */
typedef struct FuzzInput {
    const uint8_t *at;
    size_t left;
} FuzzInput;

static inline uint8_t next8(FuzzInput *input)
{
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

/* The lowest byte first. */
static inline uint64_t next64(FuzzInput *input)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)next8(input) << (i * 8);
    }
    return value;
}

/* Up to @size bytes as they are: fewer at the end, *size tells. */
static inline const uint8_t *next_bytes(FuzzInput *input, size_t *size)
{
    const uint8_t *bytes = input->at;

    *size = MIN(*size, input->left);
    input->at += *size;
    input->left -= *size;
    return bytes;
}

#endif
