/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "start-fails.h"

static char *start_fails(const char *options)
{
    g_autofree char *command = g_strdup_printf(
        "%s -accel qtest -display none -machine q35 -m 64 -nodefaults %s",
        g_getenv("QTEST_QEMU_BINARY"), options);
    char *said = NULL;
    int status = 0;

    g_assert_true(g_spawn_command_line_sync(command, NULL, &said, &status,
                                            NULL));
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    return said;
}

void expect_start_fails(const char *options, const char *expected)
{
    g_autofree char *said = start_fails(options);

    if (!strstr(said, expected)) {
        g_test_message("expected \"%s\", got:\n%s", expected, said);
        g_test_fail();
    }
}
