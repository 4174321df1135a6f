/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State directories: who holds a name, and what becomes of left-overs
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "error.h"
#include "machine.h"
#include "state.h"

static char *runtime;

static void set_up(void)
{
    runtime = g_dir_make_tmp("sunder-XXXXXX", NULL);
    g_setenv("XDG_RUNTIME_DIR", runtime, TRUE);
}

static void tear_down(void)
{
    g_autofree char *command = g_strdup_printf("rm -r '%s'", runtime);

    cr_expect_eq(system(command), 0);
    g_free(runtime);
}

static void put_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    cr_assert(g_file_set_contents(path, "x", 1, NULL));
}

static bool has_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

Test(state, a_claimed_name_is_refused, .init = set_up, .fini = tear_down)
{
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    g_autoptr(GError) error = NULL;
    int claim = state_claim("lab", &first, NULL);

    cr_assert_geq(claim, 0);
    cr_expect(state_claimed(first));
    cr_expect_lt(state_claim("lab", &second, &error), 0);
    cr_expect(g_error_matches(error, SUNDER_ERROR, SUNDER_ERROR_USAGE));
    close(claim);
}

Test(state, looking_takes_nothing, .init = set_up, .fini = tear_down)
{
    g_autofree char *directory = NULL;
    g_autofree char *again = NULL;
    int claim = state_claim("lab", &directory, NULL);

    close(claim);
    cr_expect_not(state_claimed(directory));
    claim = state_claim("lab", &again, NULL);
    cr_expect_geq(claim, 0);
    close(claim);
}

Test(state, left_overs_are_emptied, .init = set_up, .fini = tear_down)
{
    g_autofree char *directory = NULL;
    int claim = state_claim("lab", &directory, NULL);

    put_file(directory, "console.log");
    close(claim);
    cr_expect(has_file(directory, "console.log"));
    g_free(directory);
    claim = state_claim("lab", &directory, NULL);
    cr_expect_not(has_file(directory, "console.log"));
    close(claim);
}

/* As an emulator: it inherits the claim and outlives the owner's. */
Test(state, a_child_keeps_the_claim, .init = set_up, .fini = tear_down)
{
    g_autofree char *directory = NULL;
    int claim = state_claim("lab", &directory, NULL);
    pid_t child = fork();

    if (child == 0) {
        pause();
        _exit(0);
    }
    close(claim);
    cr_expect(state_claimed(directory));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_expect_not(state_claimed(directory));
}

Test(state, names_tell_running_from_ended, .init = set_up,
     .fini = tear_down)
{
    g_autofree char *directory = NULL;
    g_autofree char *ended_directory = NULL;
    g_auto(GStrv) running = NULL;
    g_auto(GStrv) ended = NULL;
    int claim = state_claim("b", &directory, NULL);

    close(state_claim("a", &ended_directory, NULL));
    running = state_names(true, NULL);
    ended = state_names(false, NULL);
    cr_expect_eq(g_strv_length(running), 1);
    cr_expect_str_eq(running[0], "b");
    cr_expect_eq(g_strv_length(ended), 1);
    cr_expect_str_eq(ended[0], "a");
    state_prune("a");
    state_prune("b");
    cr_expect_not(has_file(runtime, "sunder/a"));
    cr_expect(has_file(runtime, "sunder/b"));
    close(claim);
}

Test(state, names_stay_in_their_folder, .init = set_up, .fini = tear_down)
{
    static const char *const bad[] = {
        "", ".", "..", "../x", "a/b", "-x", ".x", "a b", "a\n", "a,b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        cr_expect_not(state_name_valid(bad[i], NULL), "\"%s\"", bad[i]);
    }
    cr_expect(state_name_valid("fault-lab_2.x", NULL));
}

Test(state, a_runtime_folder_that_is_not_there_is_left_aside,
     .init = set_up, .fini = tear_down)
{
    g_autofree char *expected = g_strdup_printf("/tmp/sunder-%u", geteuid());
    g_autofree char *root = NULL;

    g_setenv("XDG_RUNTIME_DIR", "/nonexistent/runtime", TRUE);
    root = machine_state_root(NULL);
    cr_assert_not_null(root);
    cr_expect_str_eq(root, expected);
}

Test(state, a_folder_open_to_others_is_refused, .init = set_up,
     .fini = tear_down)
{
    g_autofree char *root = g_build_filename(runtime, "sunder", NULL);
    g_autofree char *elsewhere = g_build_filename(runtime, "mine", NULL);

    cr_assert_eq(g_mkdir(root, 0700), 0);
    cr_assert_eq(g_chmod(root, 0750), 0);
    cr_expect_null(machine_state_root(NULL));
    cr_assert_eq(g_rmdir(root), 0);
    cr_assert_eq(g_mkdir(elsewhere, 0700), 0);
    cr_assert_eq(symlink(elsewhere, root), 0);
    cr_expect_null(machine_state_root(NULL));
}
