/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers in the options of the guest's programs
 */
#ifndef SUNDER_GUEST_NUMBER_H
#define SUNDER_GUEST_NUMBER_H

#include <stdint.h>

/*
 * A whole number of @text, decimal or 0x..., in [@least, @most]. Otherwise
 * @program says on standard error what is wrong with --@option, and ends with
 * status 2.
 */
uint64_t number_of(const char *program, const char *option, const char *text,
                   uint64_t least, uint64_t most);

#endif /* SUNDER_GUEST_NUMBER_H */
