/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine descriptions: what Sunder reads in them
 */
#include <criterion/criterion.h>

#include "description.h"
#include "error.h"

static Description *parse(const char *text)
{
    return description_parse("lab.cfg", text, NULL);
}

static void expect_refused(const char *text, const char *words)
{
    g_autoptr(GError) error = NULL;

    cr_expect_null(description_parse("lab.cfg", text, &error), "%s", text);
    cr_assert_not_null(error);
    cr_expect(strstr(error->message, words), "%s", error->message);
}

Test(description, first_comment_line_is_the_purpose)
{
    g_autoptr(Description) description = parse(
        "# SPDX-License-Identifier: GPL-2.0-or-later\n"
        "#\n"
        "#  A machine for tests \n"
        "# And more about it\n"
        "[machine]\n");

    cr_assert_not_null(description);
    cr_expect_str_eq(description->name, "lab");
    cr_expect_str_eq(description->purpose, "A machine for tests");
    cr_expect_eq(description->disks->len, 0);
}

Test(description, an_empty_file_has_no_purpose)
{
    g_autoptr(Description) description = parse("");

    cr_assert_not_null(description);
    cr_expect_str_eq(description->purpose, "");
}

Test(description, disk_directives_are_found_anywhere)
{
    g_autoptr(Description) description = parse(
        "#sunder: disk a 512\n[machine]\n  # sunder:  disk\tb-1   3M "
        "direct\n");
    DescriptionDisk *disk;

    cr_assert_not_null(description);
    cr_assert_eq(description->disks->len, 2);
    disk = g_ptr_array_index(description->disks, 0);
    cr_expect_str_eq(disk->node, "a");
    cr_expect_eq(disk->size, 512);
    cr_expect_not(disk->direct);
    disk = g_ptr_array_index(description->disks, 1);
    cr_expect_str_eq(disk->node, "b-1");
    cr_expect_eq(disk->size, 3 << 20);
    cr_expect(disk->direct);
}

Test(description, wrong_directives_are_told_with_their_line)
{
    expect_refused("\n\n# sunder: disc a 1G\n", "lab.cfg:3: directive");
    expect_refused("# sunder:\n", "lab.cfg:1: directive");
    expect_refused("# sunder: disk a\n", "disk NODE SIZE");
    expect_refused("# sunder: disk a 1G direct x\n", "disk NODE SIZE");
    expect_refused("# sunder: disk a direct\n", "direct");
    expect_refused("# sunder: disk a 1G x\n", "disk NODE SIZE");
    expect_refused("# sunder: disk 1a 1G\n", "disk NODE SIZE");
    expect_refused("# sunder: disk ../a 1G\n", "disk NODE SIZE");
    expect_refused("# sunder: disk a,b=c 1G\n", "disk NODE SIZE");
    expect_refused("# sunder: disk a 1G\n# sunder: disk a 1G\n", "twice");
    expect_refused("# sunder: disk a1234567890123456789012345678901 1G\n",
                   "disk NODE SIZE");
}

Test(description, sizes_have_units)
{
    guint64 size;

    cr_assert(description_parse_size("4096", &size, NULL));
    cr_expect_eq(size, 4096);
    cr_assert(description_parse_size("64T", &size, NULL));
    cr_expect_eq(size, G_GUINT64_CONSTANT(64) << 40);
}

Test(description, sizes_that_make_no_sense_are_refused)
{
    static const char *const bad[] = {
        "", "0", "0G", "-1", "+1", " 1", "1 G", "G", "1g", "1GB", "1.5G",
        "65T", "99999999999999999999", "18446744073709551615T", "0x10",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        guint64 size;

        cr_expect_not(description_parse_size(bad[i], &size, NULL), "\"%s\"",
                      bad[i]);
    }
}

Test(description, wires_and_machines_are_found)
{
    g_autoptr(Description) description = parse(
        "# A lab\n# sunder: wire w0\n# sunder: wire w1 burst\n"
        "# sunder: machine a one\n# sunder: machine b two\n");
    DescriptionMachine *machine;
    DescriptionWire *wire;

    cr_assert_not_null(description);
    cr_assert_eq(description->wires->len, 2);
    wire = g_ptr_array_index(description->wires, 0);
    cr_expect_str_eq(wire->id, "w0");
    cr_expect_not(wire->burst);
    wire = g_ptr_array_index(description->wires, 1);
    cr_expect(wire->burst);
    cr_expect(description_has_wire(description, "w1"));
    cr_expect_not(description_has_wire(description, "w2"));
    cr_assert_eq(description->machines->len, 2);
    machine = g_ptr_array_index(description->machines, 1);
    cr_expect_str_eq(machine->role, "b");
    cr_expect_str_eq(machine->machine, "two");
}

Test(description, wrong_wires_and_machines_are_refused)
{
    expect_refused("# sunder: wire\n", "wire ID");
    expect_refused("# sunder: wire w0 fast\n", "wire ID burst");
    expect_refused("# sunder: wire w,0\n", "wire ID");
    expect_refused("# sunder: wire w12345678\n", "wire ID");
    expect_refused("# sunder: wire a\n# sunder: wire a burst\n", "twice");
    expect_refused("# sunder: machine a\n", "machine ROLE MACHINE");
    expect_refused("# sunder: machine a/b c\n", "machine ROLE MACHINE");
    expect_refused("# sunder: machine a b c\n", "machine ROLE MACHINE");
    expect_refused("# sunder: machine a12345678901234567 b\n",
                   "machine ROLE MACHINE");
    expect_refused("# sunder: machine a b\n# sunder: machine a c\n",
                   "twice");
}
