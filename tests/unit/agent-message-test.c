/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payloads of EXEC and SYNC_ACK, there and back, and malformed ones
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent/message.h"

static uint8_t payload[256];

static size_t pack_example(void)
{
    static const char environment[] = "A=1\0B=two";
    AgentExec exec = {
        .rows = 50,
        .columns = 132,
        .folder = "/tmp",
        .command = "echo hello",
        .environment = environment,
        .environment_size = sizeof(environment),
    };

    return agent_exec_pack(&exec, payload, sizeof(payload));
}

Test(agent_message, exec_comes_back_as_it_was)
{
    size_t size = pack_example();
    size_t offset = 0;
    AgentExec exec;

    cr_assert_eq(agent_exec_unpack(&exec, payload, size), 0);
    cr_expect_eq(exec.rows, 50);
    cr_expect_eq(exec.columns, 132);
    cr_expect_str_eq(exec.folder, "/tmp");
    cr_expect_str_eq(exec.command, "echo hello");
    cr_expect_str_eq(agent_exec_environment_next(&exec, &offset), "A=1");
    cr_expect_str_eq(agent_exec_environment_next(&exec, &offset), "B=two");
    cr_expect_null(agent_exec_environment_next(&exec, &offset));
}

Test(agent_message, exec_needs_neither_folder_nor_environment)
{
    AgentExec exec = { .command = "true" };
    size_t size = agent_exec_pack(&exec, payload, sizeof(payload));
    size_t offset = 0;

    cr_assert_eq(agent_exec_unpack(&exec, payload, size), 0);
    cr_expect_str_empty(exec.folder);
    cr_expect_str_eq(exec.command, "true");
    cr_expect_null(agent_exec_environment_next(&exec, &offset));
}

Test(agent_message, exec_cut_anywhere_but_between_strings_is_refused)
{
    size_t size = pack_example();
    AgentExec exec;

    for (size_t cut = 0; cut < size; cut++) {
        size_t before = 4 + sizeof("/tmp") + sizeof("echo hello");
        bool whole = cut == before || cut == before + sizeof("A=1");

        cr_expect_eq(agent_exec_unpack(&exec, payload, cut), whole ? 0 : -1,
                     "cut at %zu", cut);
    }
}

Test(agent_message, exec_that_does_not_fit_is_not_packed)
{
    AgentExec exec = { .folder = "/tmp", .command = "echo hello" };
    size_t needed = 4 + sizeof("/tmp") + sizeof("echo hello");

    cr_expect_eq(agent_exec_pack(&exec, payload, needed), needed);
    cr_expect_eq(agent_exec_pack(&exec, payload, needed - 1), 0);
    cr_expect_eq(agent_exec_pack(&exec, payload, 2), 0);
}

Test(agent_message, sync_ack_comes_back_as_it_was)
{
    AgentSyncAck ack = {
        .nonce = 0x1122334455667788,
        .protocol = 1,
        .version = "0.1.0",
        .boot_id = "c1b2",
    };
    size_t size = agent_sync_ack_pack(&ack, payload, sizeof(payload));

    memset(&ack, 0, sizeof(ack));
    cr_assert_eq(agent_sync_ack_unpack(&ack, payload, size), 0);
    cr_expect_eq(ack.nonce, 0x1122334455667788);
    cr_expect_eq(ack.protocol, 1);
    cr_expect_str_eq(ack.version, "0.1.0");
    cr_expect_str_eq(ack.boot_id, "c1b2");
}

Test(agent_message, sync_ack_without_its_strings_is_refused)
{
    AgentSyncAck ack = { .version = "1", .boot_id = "2" };
    size_t size = agent_sync_ack_pack(&ack, payload, sizeof(payload));

    for (size_t cut = 0; cut < size; cut++) {
        cr_expect_eq(agent_sync_ack_unpack(&ack, payload, cut), -1);
    }
}
