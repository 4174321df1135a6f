/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Injecting an uncorrectable error sets bits of Device Status and leaves the
 * register behind it, Link Capabilities, alone (PCIe 5.0, 7.5.3.5, 7.5.3.6).
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "libqos/pci.h"
#include "libqos/pci-pc.h"
#include "qobject/qdict.h"
#include "hw/pci/pci_regs.h"

#define PORT_DEVFN QPCI_DEVFN(4, 0)

static void inject(QTestState *qts, const char *error)
{
    char *answer = qtest_hmp(qts, "pcie_aer_inject_error rp0 %s", error);

    g_assert_true(g_str_has_prefix(answer, "OK id: rp0 "));
    g_free(answer);
}

static void test_link_capabilities_survive(void)
{
    QTestState *qts = qtest_init("-machine q35 -nodefaults "
                                 "-device pcie-root-port,id=rp0,addr=4");
    QPCIBus *bus = qpci_new_pc(qts, NULL);
    QPCIDevice *port = qpci_device_find(bus, PORT_DEVFN);
    uint32_t lnkcap;
    uint8_t cap;

    g_assert_nonnull(port);
    cap = qpci_find_capability(port, PCI_CAP_ID_EXP, 0);
    g_assert_cmphex(cap, !=, 0);
    lnkcap = qpci_config_readl(port, cap + PCI_EXP_LNKCAP);
    g_assert_cmphex(lnkcap & PCI_EXP_LNKCAP_SLS, !=, 0);

    inject(qts, "DLP");

    g_assert_cmphex(qpci_config_readw(port, cap + PCI_EXP_DEVSTA), ==,
                    PCI_EXP_DEVSTA_FED);
    g_assert_cmphex(qpci_config_readl(port, cap + PCI_EXP_LNKCAP), ==,
                    lnkcap);

    g_free(port);
    qpci_free_pc(bus);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/aer/link-capabilities-survive",
                   test_link_capabilities_survive);
    return g_test_run();
}
