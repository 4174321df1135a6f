/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DLPI: a driver that only knows virtio; states, good and bad. */
#include <criterion/criterion.h>
#include <string.h>

#include "dlpi-fixture.h"

TestSuite(dlpi_virtio, .init = dlpi_set_up, .fini = dlpi_tear_down);
TestSuite(dlpi_state, .init = dlpi_set_up, .fini = dlpi_tear_down);

/* VIRTIO 1.2, 5.1.3 and 6. */
#define NET_F_CSUM      (UINT64_C(1) << 0)
#define NET_F_HOST_TSO4 (UINT64_C(1) << 11)
#define NET_F_HOST_TSO6 (UINT64_C(1) << 12)
#define F_EVENT_IDX     (UINT64_C(1) << 29)

Test(dlpi_virtio, features_are_the_capabilities_offered)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    attach();
    cr_assert_eq(dlpi_virtio_features(list, query(list)),
                 NET_F_CSUM | NET_F_HOST_TSO4 | F_EVENT_IDX);
    nic.has_lso = false;
    cr_assert_eq(dlpi_virtio_features(list, query(list)),
                 NET_F_CSUM | F_EVENT_IDX);
}

Test(dlpi_virtio, accepted_features_enable_and_driver_ok_opens_the_channel)
{
    uint64_t accepted = NET_F_CSUM | NET_F_HOST_TSO6;

    cr_assert(dlpi_virtio_enable(stream, 1, accepted, false));
    cr_assert_eq(nic.ppa, 1);
    cr_assert_eq(nic.levels, 1u << DLPI_PROMISC_SAP);
    cr_assert_eq(nic.n_enabled, 1, "TSO6 is not offered");
    cr_assert_eq(dlpi_stream_enabled(stream, DLPI_CAPAB_HCKSUM)->flags,
                 DLPI_ENABLE | DLPI_HCKSUM_PARTIAL);
    cr_assert(dlpi_virtio_enable(stream, 1, accepted, true));
    cr_assert_eq(nic.n_enabled, 2);
    cr_assert_not_null(dlpi_stream_enabled(stream, DLPI_CAPAB_DIRECT));
    /* another negotiation after a reset of the device */
    cr_assert(dlpi_virtio_enable(stream, 1, 0, false));
    cr_assert_eq(nic.n_enabled, 0);
}

Test(dlpi_virtio, a_nic_that_refuses_is_heard)
{
    cr_assert_not(dlpi_virtio_enable(stream, PPAS, 1, false));
    nic.refuses = true;
    cr_assert_not(dlpi_virtio_enable(stream, 1, 1, false));
}

/* A stream for a NIC just like this one, loaded. */
static bool reload(GByteArray *state, GError **error)
{
    dlpi_stream_free(stream);
    stream = dlpi_stream_new(&nic_ops, NULL);
    return dlpi_stream_load(stream, state->data, state->len, error);
}

static GByteArray *busy_state(void)
{
    DlpiCapability list[DLPI_CAPABILITIES];

    bind_ip();
    ask(DLPI_PROMISCON_REQ, DLPI_PROMISC_SAP);
    ask(DLPI_NOTIFY_REQ, DLPI_NOTE_LINK_UP | DLPI_NOTE_CAPAB_RENEG);
    query(list);
    enable(&list[1], 2);
    return dlpi_stream_save(stream);
}

Test(dlpi_state, the_nic_follows_a_loaded_state)
{
    g_autoptr(GByteArray) state = busy_state();
    g_autoptr(GByteArray) again = NULL;

    cr_assert(reload(state, NULL));
    cr_assert_eq(nic.ppa, 2);
    cr_assert_eq(nic.sap, 0x0800);
    cr_assert_eq(nic.levels, 1u << DLPI_PROMISC_SAP);
    cr_assert_eq(nic.n_enabled, 2);
    cr_assert_not_null(dlpi_stream_enabled(stream, DLPI_CAPAB_DIRECT));
    again = dlpi_stream_save(stream);
    cr_assert_eq(again->len, state->len);
    cr_assert_arr_eq(again->data, state->data, state->len);
    cr_assert(dlpi_stream_indication(stream, reply));
}

Test(dlpi_state, of_an_unattached_stream_is_loaded)
{
    g_autoptr(GByteArray) state = dlpi_stream_save(stream);

    cr_assert(reload(state, NULL));
    cr_assert_eq(dlpi_stream_state(stream), DLPI_UNATTACHED);
}

Test(dlpi_state, what_is_not_to_be_had_here_is_refused)
{
    g_autoptr(GByteArray) state = busy_state();
    g_autoptr(GError) error = NULL;

    nic.refuses = true;
    cr_assert_not(reload(state, &error));
    cr_assert_not_null(strstr(error->message, "its SAP is not to be had"));
    cr_assert_eq(nic.ppa, -1);
}

Test(dlpi_state, every_cut_and_every_damage_is_refused_or_harmless)
{
    g_autoptr(GByteArray) state = busy_state();
    unsigned refused = 0;

    for (unsigned size = 0; size < state->len; size++) {
        cr_assert_not(dlpi_stream_load(stream, state->data, size, NULL));
        cr_assert_eq(nic.ppa, -1);
    }
    for (unsigned i = 0; i < state->len * 8; i++) {
        state->data[i / 8] ^= 1 << i % 8;
        if (!dlpi_stream_load(stream, state->data, state->len, NULL)) {
            cr_assert_eq(dlpi_stream_state(stream), DLPI_UNATTACHED);
            cr_assert_eq(nic.n_enabled, 0);
            refused++;
        }
        state->data[i / 8] ^= 1 << i % 8;
    }
    cr_assert_gt(refused, 300);
}
