/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of the host tools, and the exit statuses they become
 */
#include "error.h"

G_DEFINE_QUARK(sunder-error-quark, sunder_error)

int sunder_error_status(const GError *error)
{
    if (!error || error->domain != SUNDER_ERROR) {
        return EXIT_FAILED;
    }
    switch ((SunderError)error->code) {
    case SUNDER_ERROR_USAGE:
        return EXIT_USAGE;
    case SUNDER_ERROR_SKIPPED:
        return EXIT_SKIPPED;
    case SUNDER_ERROR_TIMEOUT:
        return EXIT_TIMEOUT;
    case SUNDER_ERROR_GUEST:
        return EXIT_PANIC;
    case SUNDER_ERROR_CANCELLED:
    case SUNDER_ERROR_DIED:
    case SUNDER_ERROR_MISMATCH:
    case SUNDER_ERROR_FAILED:
        break;
    }
    return EXIT_FAILED;
}
