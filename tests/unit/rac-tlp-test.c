/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Request headers, against values worked out by hand from the PCI Express
 * Base Specification 5.0, 2.2.  Doubleword 0 is Fmt and Type in bits 31:24
 * and Length in 9:0; doubleword 1 the Requester ID in 31:16, the Tag in
 * 15:8 and Last DW BE, First DW BE in 7:0.
 */
#include <criterion/criterion.h>

#include "target-models/rac/tlp.h"

/* 3a:1f.5, which makes each field differ */
#define REQUESTER   0x3afd

static void assert_header(const TlpRequest *request, uint32_t dw0,
                          uint32_t dw1, uint32_t dw2, uint32_t dw3)
{
    uint32_t header[4];

    tlp_request_header(request, header);

    cr_expect_eq(header[0], dw0, "doubleword 0 is %08x", header[0]);
    cr_expect_eq(header[1], dw1, "doubleword 1 is %08x", header[1]);
    cr_expect_eq(header[2], dw2, "doubleword 2 is %08x", header[2]);
    cr_expect_eq(header[3], dw3, "doubleword 3 is %08x", header[3]);
}

static TlpRequest request(RacSpace space, bool write, uint64_t address,
                          unsigned size)
{
    return (TlpRequest) {
        .space = space,
        .write = write,
        .requester = REQUESTER,
        .address = address,
        .size = size,
    };
}

Test(rac_tlp, a_memory_read_below_4_gib_has_three_doublewords)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0xfebd1004, 4);

    assert_header(&r, 0x00000001, 0x3afd000f, 0xfebd1004, 0);
}

Test(rac_tlp, a_memory_read_above_4_gib_has_four_doublewords)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0x380012345678, 4);

    assert_header(&r, 0x20000001, 0x3afd000f, 0x00003800, 0x12345678);
}

Test(rac_tlp, the_last_address_below_4_gib_has_three_doublewords)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0xfffffffc, 4);

    assert_header(&r, 0x00000001, 0x3afd000f, 0xfffffffc, 0);
}

Test(rac_tlp, the_first_address_above_4_gib_has_four_doublewords)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0x100000000, 4);

    assert_header(&r, 0x20000001, 0x3afd000f, 0x00000001, 0x00000000);
}

Test(rac_tlp, a_memory_write_below_4_gib_says_with_data)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, true, 0xfebd1000, 4);

    assert_header(&r, 0x40000001, 0x3afd000f, 0xfebd1000, 0);
}

Test(rac_tlp, a_memory_write_above_4_gib_says_with_data)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, true, 0x380000000010, 8);

    assert_header(&r, 0x60000002, 0x3afd00ff, 0x00003800, 0x00000010);
}

Test(rac_tlp, a_read_of_eight_bytes_has_length_two_and_all_byte_enables)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0xfebd1008, 8);

    assert_header(&r, 0x00000002, 0x3afd00ff, 0xfebd1008, 0);
}

Test(rac_tlp, a_byte_is_told_by_its_byte_enable_not_by_the_address)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0xfebd1003, 1);

    assert_header(&r, 0x00000001, 0x3afd0008, 0xfebd1000, 0);
}

Test(rac_tlp, two_bytes_inside_a_doubleword_enable_those_two)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, true, 0xfebd1001, 2);

    assert_header(&r, 0x40000001, 0x3afd0006, 0xfebd1000, 0);
}

Test(rac_tlp, two_bytes_across_doublewords_enable_one_in_each)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0xfebd1003, 2);

    assert_header(&r, 0x00000002, 0x3afd0018, 0xfebd1000, 0);
}

Test(rac_tlp, four_unaligned_bytes_enable_three_and_one)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0xfebd1001, 4);

    assert_header(&r, 0x00000002, 0x3afd001e, 0xfebd1000, 0);
}

Test(rac_tlp, eight_unaligned_bytes_enable_part_of_the_third_doubleword)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0xfebd1003, 8);

    assert_header(&r, 0x00000003, 0x3afd0078, 0xfebd1000, 0);
}

Test(rac_tlp, an_unaligned_address_above_4_gib_loses_its_low_bits)
{
    TlpRequest r = request(RAC_SPACE_MEMORY, false, 0x380000000012, 2);

    assert_header(&r, 0x20000001, 0x3afd000c, 0x00003800, 0x00000010);
}

Test(rac_tlp, an_io_read_is_of_its_own_type)
{
    TlpRequest r = request(RAC_SPACE_IO, false, 0xc010, 4);

    assert_header(&r, 0x02000001, 0x3afd000f, 0x0000c010, 0);
}

Test(rac_tlp, an_io_write_of_a_byte_has_one_byte_enable)
{
    TlpRequest r = request(RAC_SPACE_IO, true, 0xc012, 1);

    assert_header(&r, 0x42000001, 0x3afd0004, 0x0000c010, 0);
}

static TlpRequest config_request(bool write, bool direct, uint64_t offset,
                                 unsigned size)
{
    TlpRequest r = request(RAC_SPACE_CONFIG, write, offset, size);

    r.completer = 0x02c3;       /* 02:18.3 */
    r.direct = direct;
    return r;
}

Test(rac_tlp, a_config_read_of_the_device_on_the_link_is_of_type_0)
{
    TlpRequest r = config_request(false, true, 0x10, 4);

    assert_header(&r, 0x04000001, 0x3afd000f, 0x02c30010, 0);
}

Test(rac_tlp, a_config_read_beyond_another_bridge_is_of_type_1)
{
    TlpRequest r = config_request(false, false, 0x10, 4);

    assert_header(&r, 0x05000001, 0x3afd000f, 0x02c30010, 0);
}

Test(rac_tlp, a_config_write_of_type_0_says_with_data)
{
    TlpRequest r = config_request(true, true, 0x04, 2);

    assert_header(&r, 0x44000001, 0x3afd0003, 0x02c30004, 0);
}

Test(rac_tlp, a_config_write_of_type_1_says_with_data)
{
    TlpRequest r = config_request(true, false, 0x06, 2);

    assert_header(&r, 0x45000001, 0x3afd000c, 0x02c30004, 0);
}

Test(rac_tlp, the_extended_register_number_follows_the_register_number)
{
    TlpRequest r = config_request(false, true, 0xabc, 4);

    assert_header(&r, 0x04000001, 0x3afd000f, 0x02c30abc, 0);
}

Test(rac_tlp, a_config_offset_beyond_4_kib_does_not_reach_other_fields)
{
    TlpRequest r = config_request(false, true, 0xf010, 4);

    assert_header(&r, 0x04000001, 0x3afd000f, 0x02c30010, 0);
}
