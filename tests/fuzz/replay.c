/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A main() for a fuzz target without libFuzzer: replays the files named on
 * the command line (such as the crash-* that libFuzzer leaves), or without
 * any feeds made-up inputs, the same for the same --seed.
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

#define DEFAULT_SEED    1
#define DEFAULT_RUNS    20000
#define MAX_SIZE       600     /* bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gint seed = DEFAULT_SEED, runs = DEFAULT_RUNS;
static gchar **inputs;

static const GOptionEntry options[] = {
    { "seed", 's', 0, G_OPTION_ARG_INT, &seed, "of the made-up inputs (1)",
      "N" },
    { "runs", 'n', 0, G_OPTION_ARG_INT, &runs,
      "made-up inputs to feed (20000)", "N" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &inputs,
      NULL, "[INPUT...]" },
    { NULL }
};

static gboolean replay(const char *path, GError **error)
{
    g_autofree char *data = NULL;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, error)) {
        return FALSE;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)data, size);
    printf("# replayed %s, %zu bytes\n", path, (size_t)size);
    return TRUE;
}

static void feed_made_up(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    for (int i = 0; i < runs; i++) {
        size_t size = g_rand_int_range(rand, 0, MAX_SIZE + 1);
        /* of its exact size, so that a sanitizer sees its end */
        g_autofree uint8_t *data = g_malloc(size);

        for (size_t j = 0; j < size; j++) {
            data[j] = g_rand_int_range(rand, 0, 256);
        }
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("# %d inputs of seed %d\n", runs, seed);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("%s: %s\n", argv[0], error->message);
        return 2;
    }
    printf("1..1\n");
    if (!inputs) {
        feed_made_up();
    }
    for (gchar **path = inputs; path && *path; path++) {
        if (!replay(*path, &error)) {
            g_printerr("%s\n", error->message);
            return 2;
        }
    }
    printf("ok 1 - no input broke a promise\n");
    g_strfreev(inputs);
    return 0;
}
