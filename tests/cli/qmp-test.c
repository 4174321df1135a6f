/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP client, against a peer that answers from a script
 */
#include <criterion/criterion.h>

#include "peer.h"
#include "qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define WAIT_MS  5000

/* Greet, agree to capabilities, then say each string after one command. */
static void play_script(int fd, void *opaque)
{
    const char *const *replies = opaque;

    peer_say(fd, GREETING);
    g_free(peer_hear(fd));
    peer_say(fd, "{\"return\": {}, \"id\": 1}\r\n");
    for (; *replies; replies++) {
        g_free(peer_hear(fd));
        peer_say(fd, *replies);
    }
    g_free(peer_hear(fd));      /* until the client leaves */
}

static JsonNode *execute(Qmp *qmp, GError **error)
{
    return qmp_execute(qmp, "query-status", NULL, WAIT_MS, error);
}

Test(qmp, a_command_returns_its_value)
{
    const char *const script[] = {
        "{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n", NULL,
    };
    g_autoptr(JsonNode) value = NULL;
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_script, (void *)script);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    cr_assert_not_null(qmp);
    value = execute(qmp, NULL);
    cr_assert_not_null(value);
    cr_expect_str_eq(json_object_get_string_member(
                         json_node_get_object(value), "status"), "running");
    qmp_free(qmp);
    peer_finish(&peer);
}

Test(qmp, an_error_has_its_class_and_description)
{
    const char *const script[] = {
        "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no nic9\"},"
        " \"id\": 2}\r\n", NULL,
    };
    g_autoptr(GError) error = NULL;
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_script, (void *)script);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    cr_expect_null(execute(qmp, &error));
    cr_expect(g_error_matches(error, QMP_ERROR,
                              QMP_ERROR_DEVICE_NOT_FOUND));
    cr_expect_str_eq(error->message, "no nic9");
    qmp_free(qmp);
    peer_finish(&peer);
}

static bool is_second(JsonObject *event, void *opaque)
{
    return json_object_get_int_member(
               json_object_get_object_member(event, "data"), "n") == 2;
}

static void count_event(JsonObject *event, void *opaque)
{
    ++*(int *)opaque;
}

Test(qmp, events_wait_their_turn)
{
    const char *const script[] = {
        "{\"event\": \"A\", \"data\": {\"n\": 1}}\r\n"
        "{\"event\": \"B\", \"data\": {\"n\": 1}}\r\n"
        "{\"return\": {}, \"id\": 2}\r\n"
        "{\"event\": \"A\", \"data\": {\"n\": 2}}\r\n", NULL,
    };
    g_autoptr(JsonNode) value = NULL;
    JsonObject *event;
    int count = 0;
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_script, (void *)script);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    qmp_set_event_callback(qmp, count_event, &count);
    value = execute(qmp, NULL);
    cr_expect_not_null(value);
    event = qmp_wait_event(qmp, "A", is_second, NULL, WAIT_MS, NULL);
    cr_assert_not_null(event);
    json_object_unref(event);
    event = qmp_take_event(qmp);
    cr_expect_str_eq(json_object_get_string_member(event, "event"), "A");
    json_object_unref(event);
    event = qmp_take_event(qmp);
    cr_expect_str_eq(json_object_get_string_member(event, "event"), "B");
    json_object_unref(event);
    cr_expect_null(qmp_take_event(qmp));
    cr_expect_eq(count, 3);
    qmp_free(qmp);
    peer_finish(&peer);
}

Test(qmp, a_missing_reply_is_a_timeout)
{
    const char *const script[] = { "", NULL };
    g_autoptr(GError) error = NULL;
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_script, (void *)script);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    cr_expect_null(qmp_execute(qmp, "query-status", NULL, 50, &error));
    cr_expect(g_error_matches(error, QMP_ERROR, QMP_ERROR_TIMEOUT));
    cr_expect(strstr(error->message, "query-status"));
    qmp_free(qmp);
    peer_finish(&peer);
}

Test(qmp, a_line_that_is_no_json_is_told)
{
    const char *const script[] = { "}{ nonsense\r\n", NULL };
    g_autoptr(GError) error = NULL;
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_script, (void *)script);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    cr_expect_null(execute(qmp, &error));
    cr_expect(g_error_matches(error, QMP_ERROR, QMP_ERROR_PROTOCOL));
    qmp_free(qmp);
    peer_finish(&peer);
}

static void play_leave(int fd, void *opaque)
{
    peer_say(fd, GREETING);
    g_free(peer_hear(fd));
    peer_say(fd, "{\"return\": {}, \"id\": 1}\r\n");
    g_free(peer_hear(fd));
}

Test(qmp, a_peer_that_leaves_is_told)
{
    g_autoptr(GError) error = NULL;
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_leave, NULL);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    cr_expect_null(execute(qmp, &error));
    cr_expect(g_error_matches(error, QMP_ERROR, QMP_ERROR_CLOSED));
    qmp_free(qmp);
    peer_finish(&peer);
}

Test(qmp, arguments_that_are_no_object_are_refused)
{
    const char *const script[] = { NULL };
    g_autoptr(GError) error = NULL;
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_script, (void *)script);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    cr_expect_null(qmp_execute_text(qmp, "stop", "[1]", WAIT_MS, &error));
    cr_expect(g_error_matches(error, QMP_ERROR, QMP_ERROR_PROTOCOL));
    qmp_free(qmp);
    peer_finish(&peer);
}

Test(qmp, nobody_there_is_told_at_once)
{
    g_autoptr(GError) error = NULL;

    cr_expect_null(qmp_connect("/nonexistent/socket", WAIT_MS, &error));
    cr_expect(g_error_matches(error, QMP_ERROR, QMP_ERROR_CONNECT));
}

Test(qmp, the_transcript_has_both_directions)
{
    const char *const script[] = {
        "{\"return\": {}, \"id\": 2}\r\n", NULL,
    };
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) value = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    Peer peer;
    Qmp *qmp;

    peer_start(&peer, play_script, (void *)script);
    qmp = qmp_connect(peer.path, WAIT_MS, NULL);
    qmp_set_transcript(qmp, file);
    value = execute(qmp, NULL);
    qmp_free(qmp);
    fclose(file);
    cr_expect(strstr(text, " -> {\"execute\":\"query-status\",\"id\":2}\n"));
    cr_expect(strstr(text, " <- {\"return\": {}, \"id\": 2}"));
    peer_finish(&peer);
}
