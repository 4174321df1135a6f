/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's layout: keys, values, paths
 */
#include <criterion/criterion.h>
#include <string.h>

#include "target-models/store/layout.h"

Test(store_layout, every_initial_value_is_valid)
{
    for (const StoreKey *key = store_keys; key->name; key++) {
        cr_expect(!key->initial || key->valid(key->initial), "%s", key->name);
    }
}

Test(store_layout, path_and_error_are_never_in_the_front)
{
    const char *const hidden[] = { "path", "uid-map", "gid-map", "squash",
                                   "xattr", "hide", "error" };

    for (unsigned i = 0; i < G_N_ELEMENTS(hidden); i++) {
        cr_expect(store_key_find(hidden[i])->side == STORE_BACK, "%s",
                  hidden[i]);
    }
    cr_expect(store_key_find("nothing") == NULL);
}

Test(store_layout, paths_are_as_documented)
{
    g_autofree char *name = store_path_name(7);
    g_autofree char *front = store_path_key(store_key_find("tag"), 7, 12);
    g_autofree char *back = store_path_key(store_key_find("path"), 7, 12);
    g_autofree char *next = store_path_next(7);

    cr_expect_str_eq(name, "/local/domain/7/name");
    cr_expect_str_eq(front, "/local/domain/7/device/share/12/tag");
    cr_expect_str_eq(back, "/local/domain/0/backend/share/7/12/path");
    cr_expect_str_eq(next, "/local/domain/0/backend/share/7/next");
}

Test(store_layout, tags_are_file_names_that_a_terminal_can_show)
{
    static const char *const good[] = { "src", "my files", "..x",
                                        "gr\u00fc\u00df" };
    static const char *const bad[] = {
        "", ".", "..", "a/b", "a\nb", "a\033[2J", "\377", "a\u202eb", "\177",
    };
    g_autofree char *longest = g_strnfill(STORE_TAG_MAX, 'a');
    g_autofree char *longer = g_strnfill(STORE_TAG_MAX + 1, 'a');

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        cr_expect(store_tag_valid(good[i]), "%s", good[i]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        cr_expect(!store_tag_valid(bad[i]), "number %u", i);
    }
    cr_expect(store_tag_valid(longest));
    cr_expect(!store_tag_valid(longer));
}

Test(store_layout, numbers_have_one_form)
{
    static const char *const bad[] = { "", "01", "-1", "+1", " 1", "1 ", "1x",
                                       "101", "18446744073709551616" };
    uint64_t number = 77;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        cr_expect(!store_number_parse(bad[i], 100, &number), "%s", bad[i]);
    }
    cr_expect(number == 77);
    cr_expect(store_number_parse("0", 100, &number) && number == 0);
    cr_expect(store_number_parse("100", 100, &number) && number == 100);
    cr_expect(store_number_parse("18446744073709551615", UINT64_MAX,
                                 &number) && number == UINT64_MAX);
    cr_expect(!store_number_parse("3", 2, &number));
}

Test(store_layout, a_map_is_its_ranges_in_order)
{
    g_autoptr(GArray) map = store_map_parse("0:100000:65536  65536:1000:1");
    g_autoptr(GArray) none = store_map_parse("");

    cr_assert(map && map->len == 2);
    cr_expect(g_array_index(map, StoreMapRange, 0).host == 100000);
    cr_expect(g_array_index(map, StoreMapRange, 1).guest == 65536);
    cr_expect(g_array_index(map, StoreMapRange, 1).count == 1);
    cr_expect(none && none->len == 0);
}

Test(store_layout, maps_that_overlap_or_wrap_are_none)
{
    static const char *const bad[] = {
        "0:0", "0:0:0", "0:0:1:2", "a:0:1", "0:0:10 9:100:1", "0:0:10 10:9:1",
        "4294967294:0:2", "0:4294967294:2", "4294967295:0:1",
        "0:0:4294967296", "0:0:10 0:0:10",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GArray) map = store_map_parse(bad[i]);

        cr_expect(map == NULL, "%s", bad[i]);
    }
}

Test(store_layout, the_largest_map_has_as_many_ranges_as_linux_takes)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GArray) largest = NULL, larger = NULL;

    for (unsigned i = 0; i < STORE_MAP_RANGES; i++) {
        g_string_append_printf(text, "%u:%u:1 ", i, i);
    }
    largest = store_map_parse(text->str);
    g_string_append(text, "1000:1000:1");
    larger = store_map_parse(text->str);
    cr_expect(largest && largest->len == STORE_MAP_RANGES);
    cr_expect(larger == NULL);
}

Test(store_layout, values_are_judged_by_their_key)
{
    static const struct {
        const char *key, *value;
        bool valid;
    } cases[] = {
        { "access", "rw", true }, { "access", "RW", false },
        { "cache", "always", true }, { "cache", "", false },
        { "type", "volume", true }, { "type", "socket", false },
        { "path", "/", true }, { "path", "home", false },
        { "quota-bytes", "9223372036854775807", true },
        { "quota-bytes", "9223372036854775808", false },
        { "hide", "*.o\n.git", true }, { "hide", "a/b", false },
        { "squash", "root", true }, { "xattr", "trusted", false },
        { "state", "offered", true }, { "state", "gone", false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const StoreKey *key = store_key_find(cases[i].key);

        cr_expect(key->valid(cases[i].value) == cases[i].valid, "%s=%s",
                  cases[i].key, cases[i].value);
    }
}
