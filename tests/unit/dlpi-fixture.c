/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dlpi-fixture.h"

#include <criterion/criterion.h>

#include "target-models/bytes.h"

FakeNic nic;
DlpiStream *stream;
GByteArray *reply, *request;

static bool nic_attach(void *opaque, uint32_t ppa, DlpiInfo *info)
{
    if (ppa >= PPAS) {
        return false;
    }
    nic.ppa = ppa;
    *info = (DlpiInfo){ ADDRESS + ppa, 1500 };
    return true;
}

static void nic_detach(void *opaque)
{
    nic.ppa = -1;
}

static bool nic_bind(void *opaque, uint16_t sap)
{
    nic.sap = sap;
    return !nic.refuses;
}

static void nic_unbind(void *opaque)
{
    nic.sap = -1;
}

static void nic_promiscuous(void *opaque, unsigned level, bool on)
{
    nic.levels ^= 1u << level;
}

static unsigned nic_capabilities(void *opaque,
                                 DlpiCapability list[DLPI_CAPABILITIES])
{
    list[0] = (DlpiCapability){
        .type = DLPI_CAPAB_HCKSUM,
        .flags = DLPI_HCKSUM_PARTIAL | DLPI_HCKSUM_FULL_V4,
    };
    list[1] = (DlpiCapability){
        .type = DLPI_CAPAB_POLL, .flags = DLPI_POLL_CAPABLE,
        .interface = { 4, 0x1000, 64, 2, 0 },
    };
    list[2] = (DlpiCapability){
        .type = DLPI_CAPAB_DIRECT, .flags = DLPI_DIRECT_CAPABLE,
        .interface = { 4, 0x2000, 32, 4, 0 },
    };
    list[3] = (DlpiCapability){
        .type = DLPI_CAPAB_LSO, .flags = DLPI_LSO_TCP_IPV4, .max = 65536,
    };
    return nic.has_lso ? 4 : 3;
}

static bool nic_enable(void *opaque, const DlpiCapability *list, unsigned n)
{
    if (n && nic.refuses) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        nic.enabled[i] = list[i];
    }
    nic.n_enabled = n;
    return true;
}

static bool nic_link(void *opaque, uint32_t *speed_mbps)
{
    *speed_mbps = 10000;
    return nic.link;
}

const DlpiOps nic_ops = {
    nic_attach, nic_detach, nic_bind, nic_unbind, nic_promiscuous,
    nic_capabilities, nic_enable, nic_link,
};

void dlpi_set_up(void)
{
    nic = (FakeNic){ .ppa = -1, .sap = -1, .has_lso = true, .link = true };
    stream = dlpi_stream_new(&nic_ops, NULL);
    reply = g_byte_array_new();
    request = g_byte_array_new();
}

void dlpi_tear_down(void)
{
    dlpi_stream_free(stream);
    cr_assert_eq(nic.ppa, -1, "a stream that goes lets go");
    g_byte_array_unref(reply);
    g_byte_array_unref(request);
}

uint32_t word(unsigned i)
{
    cr_assert_leq(i * 4 + 4, reply->len);
    return bytes_le32(reply->data + i * 4);
}

uint32_t tell(void)
{
    dlpi_stream_request(stream, request->data, request->len, reply);
    cr_assert_leq(reply->len, DLPI_MAX_REPLY);
    g_byte_array_set_size(request, 0);
    return word(0);
}

uint32_t ask(uint32_t primitive, uint32_t operand)
{
    dlpi_add_message(request, primitive, (uint32_t[]){ operand, 0 }, 2);
    return tell();
}

void attach(void)
{
    cr_assert_eq(ask(DLPI_ATTACH_REQ, 2), DLPI_OK_ACK);
}

void bind_ip(void)
{
    attach();
    dlpi_add_bind_req(request, 0x0800);
    cr_assert_eq(tell(), DLPI_BIND_ACK);
}

unsigned query(DlpiCapability list[DLPI_CAPABILITIES])
{
    int n;

    dlpi_add_capability_req(request, NULL, 0);
    cr_assert_eq(tell(), DLPI_CAPABILITY_ACK);
    n = dlpi_parse_capabilities(reply->data, reply->len, list);
    cr_assert_geq(n, 0);
    return n;
}

uint32_t enable(DlpiCapability *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        list[i].flags |= DLPI_ENABLE;
    }
    dlpi_add_capability_req(request, list, n);
    return tell();
}
