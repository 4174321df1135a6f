/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A balloon as a person reads it
 */
#include <criterion/criterion.h>
#include <string.h>

#include "balloon-text.h"

#define SWEEP \
    "{'id': 3, 'cause': 'inflate', 'mode': 'all', 'state': 'completed'," \
    " 'guard': 'write-protect', 'scanned': 1073741824," \
    " 'matching': 994050048, 'taken': 985661440, 'super-pages': 463," \
    " 'pages': 5632, 'raced': 4096, 'skipped': 0, 'duration-ns': 81200000," \
    " 'stall-max-ns': 90000}"

#define INFO(more) \
    "{'id': 'balloon0', 'memory': 1073741824, 'target': 1056964608," \
    " 'actual': 1056964608, 'ballooned': 16777216, 'swept': 985661440," \
    " 'came-back': 1572864, 'resident': 62914560, 'when': 'inflate'," \
    " 'period-ns': 0, 'pattern': 0, 'credit': false," \
    " 'features': ['stats-vq', 'deflate-on-oom']" more "}"

/* JSON with ' for " */
static JsonNode *parse(const char *text)
{
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(json, &error);

    cr_assert_not_null(node, "%s", error ? error->message : "empty");
    return node;
}

static char *shown(const char *info_text, const char *map_text, bool whole)
{
    g_autoptr(JsonNode) info = parse(info_text);
    g_autoptr(JsonNode) map = parse(map_text);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    balloon_print(out, json_node_get_object(info), json_node_get_array(map),
                  whole);
    fclose(out);
    return text;
}

static void expect_in(const char *text, const char *part)
{
    cr_expect(strstr(text, part), "expected \"%s\" in:\n%s", part, text);
}

static void expect_size(guint64 bytes, const char *expected)
{
    g_autofree char *text = balloon_size_text(bytes);

    cr_expect_str_eq(text, expected);
}

Test(balloon, sizes_have_their_unit)
{
    expect_size(0, "0 B");
    expect_size(1023, "1023 B");
    expect_size(4096, "4.0 KiB");
    expect_size(16 << 20, "16.0 MiB");
    expect_size(G_GUINT64_CONSTANT(1) << 30, "1024.0 MiB");
    expect_size(G_GUINT64_CONSTANT(64) << 30, "64.0 GiB");
    expect_size(G_MAXUINT64, "16777216.0 TiB");
}

Test(balloon, what_it_holds_and_took_is_shown)
{
    char *text = shown(INFO(", 'sweeps': 3, 'last': " SWEEP), "[]", true);

    expect_in(text, "balloon0: 1024.0 MiB of memory, sweeps when the driver "
              "answers an inflate command\n");
    expect_in(text, "target             1008.0 MiB\n");
    expect_in(text, "resident (RSS)       60.0 MiB\n");
    expect_in(text, "came back             1.5 MiB\n");
    expect_in(text, "features         stats-vq, deflate-on-oom\n");
    expect_in(text, "page mappings    none\n");
    expect_in(text, "sweep 3: completed after 81.2 ms (cause inflate, mode "
              "all, guard write-protect)\n");
    expect_in(text, "taken 940.0 MiB: 463 super pages, 5632 pages\n");
    expect_in(text, "raced 4.0 KiB, skipped 0 B, longest wait of a writer "
              "90.0 us\n");
    free(text);
}

Test(balloon, a_balloon_that_never_swept_says_so)
{
    char *text = shown(INFO(", 'sweeps': 0"), "[]", true);

    expect_in(text, "sweeps           0\n");
    cr_expect_null(strstr(text, "latest"));
    cr_expect_null(strstr(text, "inhibited"));
    free(text);
}

Test(balloon, the_page_mapping_list_is_summed_up)
{
    static const char map[] =
        "[{'block': 'pc.ram', 'offset': 0, 'length': 4194304,"
        "  'super-page': true, 'sweep': 1, 'virtual-ns': 5,"
        "  'came-back': 0},"
        " {'block': 'pc.ram', 'offset': 8388608, 'length': 65536,"
        "  'super-page': false, 'sweep': 2, 'virtual-ns': 5,"
        "  'came-back': 4096}]";
    char *text = shown(INFO(", 'sweeps': 2"), map, true);

    expect_in(text, "page mappings    2 entries in 1 block: 4.0 MiB taken as "
              "super pages, 64.0 KiB as pages\n");
    free(text);
    text = shown(INFO(", 'sweeps': 2"), map, false);
    expect_in(text, "page mappings    the first 2 entries in 1 block");
    free(text);
}

Test(balloon, what_stands_in_the_way_is_told)
{
    char *text = shown(INFO(", 'sweeps': 0, 'inhibited': 'vfio: nic0 maps "
                            "all memory'"), "[]", true);

    expect_in(text, "inhibited        vfio: nic0 maps all memory\n");
    free(text);
}

Test(balloon, text_from_the_machine_reaches_no_terminal_raw)
{
    static const char map[] =
        "[{'block': 'a\\u001b[2Jb', 'offset': 0, 'length': 4096,"
        "  'super-page': false, 'sweep': 1, 'virtual-ns': 5,"
        "  'came-back': 0}]";
    g_autoptr(JsonNode) list = parse(map);
    char *text = shown("{'id': '\\u001b]0;x\\u0007', 'features': ['\\r'],"
                       " 'inhibited': '\\u009b1m', 'sweeps': 1, 'last':"
                       " {'state': '\\u001b[31m', 'cause': '\\n', 'mode':"
                       " '\\t', 'guard': '\\u202e', 'error': '\\b'}}", map,
                       true);
    size_t size;
    FILE *out;

    for (const char *at = text; *at; at++) {
        cr_assert(*at == '\n' || !g_ascii_iscntrl(*at));
    }
    cr_expect_null(strstr(text, "\xc2\x9b"));
    cr_expect_null(strstr(text, "\xe2\x80\xae"));
    free(text);
    out = open_memstream(&text, &size);
    balloon_print_map(out, json_node_get_array(list), true);
    fclose(out);
    expect_in(text, "a\\u{1b}[2Jb");
    free(text);
}

Test(balloon, an_entry_of_the_list_has_a_line)
{
    g_autoptr(JsonNode) map = parse(
        "[{'block': 'pc.ram', 'offset': 2097152, 'address': 4297064448,"
        "  'length': 67108864, 'super-page': true, 'sweep': 12,"
        "  'virtual-ns': 8123456789, 'came-back': 4096}]");
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    balloon_print_map(out, json_node_get_array(map), false);
    fclose(out);
    expect_in(text, "pc.ram                 0x200000    0x100200000     "
              "64.0 MiB super pages     12     8.123457      4.0 KiB\n");
    expect_in(text, "(more follow; the list was cut here)\n");
    free(text);
}

Test(balloon, how_far_a_sweep_is_fits_a_line)
{
    g_autoptr(JsonNode) sweep = parse(SWEEP);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    balloon_print_progress(out, json_node_get_object(sweep));
    fclose(out);
    cr_expect_str_eq(text, "sweep 3: 0.1 s, scanned 1024.0 MiB, taken "
                     "940.0 MiB");
    free(text);
}
