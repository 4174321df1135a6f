/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent in a stock guest: agent-test EMULATOR AGENT-CPIO [-p PATH]
 *
 * One machine is booted and serves all tests but the last, which ends it.
 * Skipped (exit status 77) when there is no emulator or no guest.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "agent-client.h"
#include "machine.h"

#define MIB             (1024u * 1024u)
#define BOOT_SECONDS    120
#define EXIT_SKIPPED    77

static Machine *machine;
static Client *client;

static void connect_again(void)
{
    if (client) {
        client_free(client);
    }
    client = client_new(machine->agent_socket);
    client_sync(client, BOOT_SECONDS);
}

/* Run @command; it must end with status 0. Its output without a newline. */
static const char *output_of(const char *command)
{
    Outcome *outcome = client_run(client, command, 0);

    g_assert_cmpstr(outcome->errors->str, ==, "");
    g_assert_cmpint(outcome->status, ==, 0);
    return g_strchomp(outcome->output->str);
}

static void test_exec_waits_for_start_up(void)
{
    /* Sent while the guest boots: the answer is the root's, not initramfs's */
    g_assert_cmpstr(output_of("readlink /bin"), ==, "usr/bin");
    g_assert_cmpint(strlen(client->boot_id), ==, 36);
}

static void test_hundred_commands(void)
{
    for (int i = 0; i < 100; i++) {
        g_autofree char *command =
            g_strdup_printf("echo out %d; echo err %d >&2; exit %d", i, i, i);
        g_autofree char *out = g_strdup_printf("out %d\n", i);
        g_autofree char *err = g_strdup_printf("err %d\n", i);
        Outcome *outcome = client_run(client, command, 0);

        g_assert_true(WIFEXITED(outcome->status));
        g_assert_cmpint(WEXITSTATUS(outcome->status), ==, i);
        g_assert_cmpstr(outcome->output->str, ==, out);
        g_assert_cmpstr(outcome->errors->str, ==, err);
    }
}

static void test_merged_output_keeps_its_order(void)
{
    Outcome *outcome = client_run(
        client, "echo 1; echo 2 >&2; echo 3", AGENT_EXEC_MERGE);

    g_assert_cmpstr(outcome->output->str, ==, "1\n2\n3\n");
    g_assert_cmpstr(outcome->errors->str, ==, "");
}

static void test_ten_mebibytes_arrive_unchanged(void)
{
    g_autofree char *sum = NULL;
    g_autofree char *expected = NULL;
    Outcome *outcome;

    expected = g_strdup(output_of(
        "head -c 10485760 /dev/urandom >/tmp/ten; sha256sum </tmp/ten"));
    outcome = client_run(client, "cat /tmp/ten; rm /tmp/ten", 0);

    g_assert_cmpuint(outcome->output->len, ==, 10 * MIB);
    sum = g_compute_checksum_for_data(
        G_CHECKSUM_SHA256, (guchar *)outcome->output->str,
        outcome->output->len);
    g_assert_true(g_str_has_prefix(expected, sum));
}

/* Send @size bytes within the window that the agent gives. */
static void send_input(uint32_t id, const uint8_t *data, size_t size)
{
    Outcome *outcome = client_outcome(client, id);
    size_t sent = 0;

    while (sent < size) {
        size_t window = AGENT_STDIN_WINDOW - (sent - outcome->acknowledged);
        size_t piece = MIN(window, size - sent);

        if (piece) {
            client_send(client, AGENT_STDIN, 0, id, data + sent, piece);
            sent += piece;
        } else {
            g_assert_true(client_receive(client, 20000));
        }
    }
    client_send(client, AGENT_STDIN_EOF, 0, id, NULL, 0);
}

static void test_input_arrives_unchanged(void)
{
    g_autofree uint8_t *data = g_malloc(MIB);
    g_autofree char *sum = NULL;
    Outcome *outcome;
    uint32_t id;

    for (size_t i = 0; i < MIB; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, MIB);
    id = client_start(client, "sha256sum", 0);
    send_input(id, data, MIB);
    outcome = client_wait(client, id, 60);

    g_assert_cmpint(outcome->status, ==, 0);
    g_assert_true(g_str_has_prefix(outcome->output->str, sum));
    g_assert_cmpuint(outcome->acknowledged, ==, MIB);
}

static void test_input_beyond_the_window_is_an_error(void)
{
    g_autofree uint8_t *data = g_malloc0(AGENT_STDIN_WINDOW);
    uint32_t id = client_start(client, "sleep 100", 0);
    unsigned before = client->errors_count;

    client_send(client, AGENT_STDIN, 0, id, data, AGENT_STDIN_WINDOW);
    client_send(client, AGENT_STDIN, 0, id, data, AGENT_STDIN_WINDOW);
    client_send(client, AGENT_STDIN, 0, id, data, AGENT_STDIN_WINDOW);
    while (client->errors_count == before) {
        g_assert_true(client_receive(client, 20000));
    }
    client_send(client, AGENT_SIGNAL, 0, id, "\x09\0\0\0", 4);

    g_assert_true(WIFSIGNALED(client_wait(client, id, 20)->status));
}

static void test_commands_run_side_by_side(void)
{
    uint32_t ids[AGENT_COMMANDS_MAX];
    gint64 start = g_get_monotonic_time();

    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *command =
            g_strdup_printf("echo start; sleep 1; echo %u; exit %u", i, i);

        ids[i] = client_start(client, command, AGENT_EXEC_NO_STDIN);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        Outcome *outcome = client_wait(client, ids[i], 60);
        g_autofree char *expected = g_strdup_printf("start\n%u\n", i);

        g_assert_cmpuint(outcome->error, ==, 0);
        g_assert_cmpint(WEXITSTATUS(outcome->status), ==, (int)i);
        g_assert_cmpstr(outcome->output->str, ==, expected);
    }
    g_assert_cmpint(g_get_monotonic_time() - start, <,
                    (gint64)G_N_ELEMENTS(ids) * G_USEC_PER_SEC / 2);
}

static void test_one_command_too_many_is_refused(void)
{
    uint32_t ids[AGENT_COMMANDS_MAX + 1];

    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        ids[i] = client_start(client, "cat", 0);
    }
    g_assert_cmpuint(
        client_wait(client, ids[AGENT_COMMANDS_MAX], 20)->error, ==, EAGAIN);
    for (unsigned i = 0; i < AGENT_COMMANDS_MAX; i++) {
        client_send(client, AGENT_STDIN_EOF, 0, ids[i], NULL, 0);
        g_assert_cmpint(client_wait(client, ids[i], 20)->status, ==, 0);
    }
}

static void test_unread_output_does_not_fill_the_guest(void)
{
    uint32_t id = client_start(client, "head -c 100M /dev/zero",
                               AGENT_EXEC_NO_STDIN);
    Outcome *outcome = client_outcome(client, id);
    const char *peak;

    outcome->discard = TRUE;
    g_usleep(2 * G_USEC_PER_SEC);
    client_wait(client, id, 120);

    g_assert_cmpuint(outcome->output_size, ==, 100 * MIB);
    peak = output_of("for p in $(pidof sunder-agent); do "
                     "awk '/^VmHWM/ { print $2 }' /proc/$p/status; done | "
                     "sort -n | tail -n 1");
    g_assert_cmpint(atoi(peak), <, 8 * 1024);
}

static void test_console_flood_delays_no_command(void)
{
    uint32_t flood = client_start(
        client, "while :; do dmesg -n 7; seq 1 2000 >/dev/ttyS0; "
        "echo flood >/dev/kmsg; done", AGENT_EXEC_NO_STDIN);

    for (int i = 0; i < 20; i++) {
        g_autofree char *command = g_strdup_printf("echo %d", i);
        g_autofree char *expected = g_strdup_printf("%d\n", i);
        Outcome *outcome = client_wait(
            client, client_start(client, command, 0), 10);

        g_assert_cmpstr(outcome->output->str, ==, expected);
    }
    client_send(client, AGENT_SIGNAL, 0, flood, "\x0f\0\0\0", 4);
    g_assert_cmpint(WTERMSIG(client_wait(client, flood, 20)->status), ==,
                    SIGTERM);
}

static void test_signal_reaches_the_process_group(void)
{
    uint32_t id = client_start(client, "trap 'exit 33' USR2; echo up; "
                               "while :; do sleep 1; done", 0);

    while (!client_outcome(client, id)->output->len) {
        g_assert_true(client_receive(client, 20000));
    }
    client_send(client, AGENT_SIGNAL, 0, id, "\x0c\0\0\0", 4);

    g_assert_cmpint(WEXITSTATUS(client_wait(client, id, 20)->status), ==, 33);
}

static void test_background_child_does_not_delay_exit(void)
{
    gint64 start = g_get_monotonic_time();
    Outcome *outcome = client_run(client, "sleep 300 & echo now", 0);

    g_assert_cmpstr(outcome->output->str, ==, "now\n");
    g_assert_cmpint(g_get_monotonic_time() - start, <, 30 * G_USEC_PER_SEC);
    client_run(client, "pkill sleep", 0);
}

static void test_output_is_complete_before_exit(void)
{
    for (int i = 0; i < 20; i++) {
        Outcome *outcome = client_run(
            client, "head -c 50000 /dev/zero; head -c 50000 /dev/zero >&2",
            AGENT_EXEC_NO_STDIN);

        g_assert_cmpuint(outcome->output->len, ==, 50000);
        g_assert_cmpuint(outcome->errors->len, ==, 50000);
    }
}

static void test_terminal_has_the_size_asked_for(void)
{
    AgentExec exec = {
        .rows = 40,
        .columns = 100,
        .command = "tty; stty size; read line; stty size; echo got $line",
    };
    uint32_t id = client_start_exec(client, &exec, AGENT_EXEC_PTY);
    Outcome *outcome = client_outcome(client, id);

    while (!strstr(outcome->output->str, "40 100")) {
        g_assert_true(client_receive(client, 20000));
    }
    client_send(client, AGENT_RESIZE, 0, id, "\x1e\0\x5a\0", 4);
    client_send(client, AGENT_STDIN, 0, id, "hello\n", 6);
    client_wait(client, id, 20);

    g_assert_true(g_str_has_prefix(outcome->output->str, "/dev/pts/"));
    g_assert_nonnull(strstr(outcome->output->str, "30 90"));
    g_assert_nonnull(strstr(outcome->output->str, "got hello"));
}

static void test_end_of_input_on_a_terminal(void)
{
    uint32_t id = client_start(client, "stty -echo; cat; echo over",
                               AGENT_EXEC_PTY);

    client_send(client, AGENT_STDIN, 0, id, "line\n", 5);
    client_send(client, AGENT_STDIN_EOF, 0, id, NULL, 0);

    g_assert_nonnull(strstr(client_wait(client, id, 20)->output->str,
                            "over"));
}

static void test_folder_and_environment(void)
{
    static const char environment[] = "COLOUR=blue\0EMPTY=";
    AgentExec exec = {
        .folder = "/usr/bin",
        .command = "pwd; echo $COLOUR; echo ${EMPTY-unset}; echo $HOME",
        .environment = environment,
        .environment_size = sizeof(environment),
    };
    Outcome *outcome = client_wait(
        client, client_start_exec(client, &exec, 0), 20);

    g_assert_cmpstr(outcome->output->str, ==, "/usr/bin\nblue\n\n/root\n");
}

static void test_missing_folder_is_told(void)
{
    AgentExec exec = { .folder = "/no/such", .command = "pwd" };
    Outcome *outcome = client_wait(
        client, client_start_exec(client, &exec, 0), 20);

    g_assert_cmpint(WEXITSTATUS(outcome->status), ==, 126);
    g_assert_nonnull(strstr(outcome->errors->str, "/no/such"));
}

static void test_early_command_runs_in_the_initramfs(void)
{
    Outcome *outcome = client_run(client, "ls /init", AGENT_EXEC_EARLY);

    g_assert_cmpstr(outcome->output->str, ==, "/init\n");
    g_assert_cmpint(client_run(client, "ls /init", 0)->status, !=, 0);
}

static void test_malformed_exec_is_refused(void)
{
    client_send(client, AGENT_EXEC, 0, 0x7fffffff, "\0\0\0\0no end", 10);

    g_assert_cmpuint(client_wait(client, 0x7fffffff, 20)->error, ==, EBADMSG);
}

static void test_noise_on_the_port_is_survived(void)
{
    unsigned before = client->errors_count;
    uint8_t noise[5000];

    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (uint8_t)(i * 2654435761u >> 20);
    }
    client_send_raw(client, noise, sizeof(noise));

    g_assert_cmpstr(output_of("echo alive"), ==, "alive");
    g_assert_cmpuint(client->errors_count, >, before);
}

static void test_unknown_frame_is_an_error(void)
{
    client_send(client, 999, 0, 12345, NULL, 0);

    g_assert_cmpuint(client_wait(client, 12345, 20)->error, ==, EPROTO);
}

/* How many processes of the guest are `sleep @seconds`. */
static int count_sleepers(int seconds)
{
    g_autofree char *command =
        g_strdup_printf("pgrep -fxc 'sleep %d' || true", seconds);

    return atoi(output_of(command));
}

static void test_commands_end_with_their_connection(void)
{
    client_start(client, "exec sleep 1001", 0);
    client_start(client, "trap '' HUP; sleep 1002; sleep 1002", 0);
    client_start(client, "exec sleep 1003", AGENT_EXEC_DETACHED);
    while (count_sleepers(1001) + count_sleepers(1002) +
           count_sleepers(1003) < 3) {
        g_usleep(100000);
    }
    connect_again();
    g_usleep(3 * G_USEC_PER_SEC);

    g_assert_cmpint(count_sleepers(1001), ==, 0);
    g_assert_cmpint(count_sleepers(1002), ==, 0);
    g_assert_cmpint(count_sleepers(1003), ==, 1);
    output_of("pkill sleep");
}

static void test_command_just_before_a_disconnect_still_runs(void)
{
    client_start(client, "sleep 1; touch /tmp/left", AGENT_EXEC_DETACHED);
    connect_again();
    for (int i = 0; i < 100; i++) {
        if (client_run(client, "test -e /tmp/left", 0)->status == 0) {
            return;
        }
        g_usleep(100000);
    }
    g_assert_not_reached();
}

static void test_detached_output_does_not_block(void)
{
    client_start(client, "head -c 10M /dev/zero; touch /tmp/printed",
                 AGENT_EXEC_DETACHED);
    connect_again();
    for (int i = 0; i < 200; i++) {
        if (client_run(client, "test -e /tmp/printed", 0)->status == 0) {
            return;
        }
        g_usleep(100000);
    }
    g_assert_not_reached();
}

static void test_fifty_connections(void)
{
    g_autofree char *boot_id = g_strdup(client->boot_id);

    for (int i = 0; i < 50; i++) {
        connect_again();
        g_assert_cmpstr(output_of("echo here"), ==, "here");
        g_assert_cmpstr(client->boot_id, ==, boot_id);
        g_assert_cmpuint(client->ack_flags & AGENT_ACK_READY, !=, 0);
    }
}

static void test_ports_do_not_know_of_each_other(void)
{
    Client *other = client_new(machine->other_socket);
    uint32_t id;

    client_sync(other, 20);
    id = client_start(other, "sleep 3; echo still here", 0);
    connect_again();
    g_assert_cmpstr(output_of("echo here"), ==, "here");
    g_assert_cmpstr(client_wait(other, id, 20)->output->str, ==,
                    "still here\n");
    client_free(other);
}

static void test_dead_server_is_started_again(void)
{
    Client *other = client_new(machine->other_socket);

    client_sync(other, 20);
    client_start(other, "kill -9 $PPID", 0);
    client_free(other);
    g_usleep(G_USEC_PER_SEC);
    other = client_new(machine->other_socket);
    client_sync(other, 20);
    g_assert_cmpstr(client_run(other, "echo again", 0)->output->str, ==,
                    "again\n");
    client_free(other);
}

static void test_agent_idles_while_the_host_is_away(void)
{
    int before, after;
    const char *spent = "for p in $(pidof sunder-agent); do "
                        "cut -d' ' -f14,15 /proc/$p/stat; done | "
                        "awk '{ sum += $1 + $2 } END { print sum }'";

    before = atoi(output_of(spent));
    client_free(client);
    client = NULL;
    g_usleep(3 * G_USEC_PER_SEC);
    connect_again();
    after = atoi(output_of(spent));

    /* Ticks of 10 ms: a busy loop would spend hundreds. */
    g_assert_cmpint(after - before, <, 50);
}

static void test_panic_ends_the_machine(void)
{
    client_start(client, "echo c >/proc/sysrq-trigger", 0);
    for (int i = 0; i < 300; i++) {
        if (machine_has_ended(machine)) {
            return;
        }
        g_usleep(100000);
    }
    g_assert_not_reached();
}

static void add_tests(void)
{
    g_test_add_func("/agent/exec-waits-for-start-up",
                    test_exec_waits_for_start_up);
    g_test_add_func("/agent/hundred-commands", test_hundred_commands);
    g_test_add_func("/agent/merged-output", test_merged_output_keeps_its_order);
    g_test_add_func("/agent/ten-mebibytes",
                    test_ten_mebibytes_arrive_unchanged);
    g_test_add_func("/agent/input", test_input_arrives_unchanged);
    g_test_add_func("/agent/input-window",
                    test_input_beyond_the_window_is_an_error);
    g_test_add_func("/agent/side-by-side", test_commands_run_side_by_side);
    g_test_add_func("/agent/one-too-many",
                    test_one_command_too_many_is_refused);
    g_test_add_func("/agent/unread-output",
                    test_unread_output_does_not_fill_the_guest);
    g_test_add_func("/agent/console-flood",
                    test_console_flood_delays_no_command);
    g_test_add_func("/agent/signal", test_signal_reaches_the_process_group);
    g_test_add_func("/agent/background-child",
                    test_background_child_does_not_delay_exit);
    g_test_add_func("/agent/output-before-exit",
                    test_output_is_complete_before_exit);
    g_test_add_func("/agent/terminal-size",
                    test_terminal_has_the_size_asked_for);
    g_test_add_func("/agent/terminal-end", test_end_of_input_on_a_terminal);
    g_test_add_func("/agent/folder-and-environment",
                    test_folder_and_environment);
    g_test_add_func("/agent/missing-folder", test_missing_folder_is_told);
    g_test_add_func("/agent/early", test_early_command_runs_in_the_initramfs);
    g_test_add_func("/agent/malformed-exec", test_malformed_exec_is_refused);
    g_test_add_func("/agent/noise", test_noise_on_the_port_is_survived);
    g_test_add_func("/agent/unknown-frame", test_unknown_frame_is_an_error);
    g_test_add_func("/agent/hang-up", test_commands_end_with_their_connection);
    g_test_add_func("/agent/just-before-hang-up",
                    test_command_just_before_a_disconnect_still_runs);
    g_test_add_func("/agent/detached-output",
                    test_detached_output_does_not_block);
    g_test_add_func("/agent/connections", test_fifty_connections);
    g_test_add_func("/agent/ports", test_ports_do_not_know_of_each_other);
    g_test_add_func("/agent/dead-server", test_dead_server_is_started_again);
    g_test_add_func("/agent/idle", test_agent_idles_while_the_host_is_away);
    g_test_add_func("/agent/panic", test_panic_ends_the_machine);
}

int main(int argc, char **argv)
{
    g_autofree char *guest = NULL;
    g_autofree char *kernel = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    if (argc != 3) {
        g_printerr("usage: agent-test EMULATOR AGENT-CPIO\n");
        return 2;
    }
    guest = g_build_filename(g_get_user_cache_dir(), "sunder", "guests",
                             "6.1", NULL);
    kernel = g_build_filename(guest, "vmlinux", NULL);
    if (!g_file_test(argv[1], G_FILE_TEST_IS_EXECUTABLE) ||
        !g_file_test(kernel, G_FILE_TEST_EXISTS)) {
        g_print("1..0 # SKIP no %s or no %s: run scripts/guest\n", argv[1],
                kernel);
        return EXIT_SKIPPED;
    }
    machine = machine_start(argv[1], guest, argv[2]);
    connect_again();
    add_tests();
    result = g_test_run();
    client_free(client);
    machine_free(machine);
    return result;
}
