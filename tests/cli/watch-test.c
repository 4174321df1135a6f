/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --watch's words and frames, and text made harmless
 */
#include <criterion/criterion.h>

#include "verbs.h"
#include "watch.h"

/* The words of @line after watch_join_option(), joined again */
static char *joined(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    int argc = (int)g_strv_length(words);
    char *argv[16] = { NULL };

    cr_assert_lt(argc, 16);
    for (int i = 0; i < argc; i++) {
        argv[i] = words[i];
    }
    watch_join_option(&argc, argv);
    cr_expect_null(argv[argc]);
    return g_strjoinv(" ", argv);
}

#define expect_joined(expected, line) do {                              \
        g_autofree char *got = joined(line);                            \
        cr_expect_str_eq(got, expected);                                \
    } while (0)

Test(watch, takes_a_time_behind_it)
{
    expect_joined("iommu lab --watch=2", "iommu lab --watch 2");
    expect_joined("iommu --watch=500ms lab", "iommu -w 500ms lab");
}

Test(watch, leaves_a_name_behind_it)
{
    expect_joined("iommu --watch=1s lab", "iommu --watch lab");
    expect_joined("iommu lab --watch=1s", "iommu lab --watch");
    expect_joined("iommu --watch=1s --json lab", "iommu --watch --json lab");
}

Test(watch, leaves_other_words_alone)
{
    expect_joined("iommu lab --watch=3 --json", "iommu lab --watch=3 --json");
    expect_joined("iommu -- --watch 2", "iommu -- --watch 2");
    expect_joined("iommu", "iommu");
}

Test(watch, has_limits)
{
    guint64 ns;

    cr_expect(watch_parse("10ms", &ns, NULL));
    cr_expect_eq(ns, 10000000u);
    cr_expect(watch_parse("24h", &ns, NULL));
    cr_expect_not(watch_parse("9ms", &ns, NULL));
    cr_expect_not(watch_parse("25h", &ns, NULL));
    cr_expect_not(watch_parse("often", &ns, NULL));
}

#define HOME "\033[H"
#define EOL  "\033[K\n"
#define END  "\033[J"

#define expect_frame(expected, text, columns, rows) do {                \
        g_autofree char *got = watch_frame(text, columns, rows);        \
        cr_expect_str_eq(got, expected);                                \
    } while (0)

Test(watch, frame_clears_what_was_there)
{
    expect_frame(HOME "one" EOL "two" EOL END, "one\ntwo\n", 80, 24);
    expect_frame(HOME END, "", 80, 24);
}

Test(watch, frame_is_cut_to_the_window)
{
    expect_frame(HOME "ab" EOL "\xc3\xa4\xc3\xb6" EOL END,
                 "abc\n\xc3\xa4\xc3\xb6\xc3\xbc\n", 2, 24);
    expect_frame(HOME "1" EOL "2" EOL END, "1\n2\n", 80, 3);
    expect_frame(HOME "1" EOL "... 2 more lines" EOL END, "1\n2\n3\n", 80, 3);
    expect_frame(HOME "... 3 more lines" EOL END, "1\n2\n3\n", 80, 1);
}

#define expect_printable(expected, text) do {                           \
        g_autofree char *got = verb_printable(text);                    \
        cr_expect_str_eq(got, expected);                                \
    } while (0)

Test(printable, leaves_text_alone)
{
    expect_printable("/machine/peripheral/disk0", "/machine/peripheral/disk0");
    expect_printable("Gr\xc3\xbc\xc3\x9f", "Gr\xc3\xbc\xc3\x9f");
    expect_printable("?", NULL);
}

Test(printable, writes_out_what_steers_a_terminal)
{
    expect_printable("\\u{1b}[2J", "\033[2J");
    expect_printable("a\\u{9b}b", "a\xc2\x9b" "b");       /* CSI of C1 */
    expect_printable("\\u{202e}abc", "\xe2\x80\xae" "abc");
    expect_printable("\\u{a}\\u{d}\\u{7f}", "\n\r\x7f");
}

Test(printable, accepts_no_utf_8)
{
    g_autofree char *got = verb_printable("a\xff\x1b" "b");

    cr_expect(g_utf8_validate(got, -1, NULL));
    cr_expect_null(strchr(got, '\033'));
}

Test(printable, cuts_what_is_long)
{
    g_autofree char *text = g_strnfill(5000, 'x');
    g_autofree char *got = verb_printable(text);
    g_autofree char *whole = verb_printable_lines(text);

    cr_expect_lt(strlen(got), 300u);
    cr_expect_str_eq(whole, text);
}

Test(printable, messages_keep_their_lines)
{
    g_autofree char *got = verb_printable_lines("a\nb\033");

    cr_expect_str_eq(got, "a\nb\\u{1b}");
}
