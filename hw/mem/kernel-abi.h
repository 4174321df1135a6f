/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of Linux that are newer than the headers of Debian 12 (6.1)
 *
 * From Documentation/admin-guide/mm/{userfaultfd,pagemap}.rst and
 * include/uapi/linux/{userfaultfd,fs}.h of Linux 6.12.  Structures have
 * names of our own, so that newer headers do no harm.
 */
#ifndef SUNDER_HW_KERNEL_ABI_H
#define SUNDER_HW_KERNEL_ABI_H

#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* /dev/userfaultfd: Linux 6.1 */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

/* WP_HUGETLBFS_SHMEM 5.19, WP_UNPOPULATED 6.4, MOVE 6.8 */
#define GUARD_FEATURE_WP                  (UINT64_C(1) << 0)
#define GUARD_FEATURE_WP_HUGETLBFS_SHMEM  (UINT64_C(1) << 12)
#define GUARD_FEATURE_WP_UNPOPULATED      (UINT64_C(1) << 13)
#define GUARD_FEATURE_MOVE                (UINT64_C(1) << 16)

#define GUARD_MOVE_NUMBER 0x05

struct guard_uffdio_move {
    uint64_t dst;
    uint64_t src;
    uint64_t len;
    uint64_t mode;
    int64_t move;               /* bytes moved, or -errno */
};

#define GUARD_UFFDIO_MOVE \
    _IOWR(0xAA, GUARD_MOVE_NUMBER, struct guard_uffdio_move)

/* Linux 6.4: whether all of a process's memory may be merged */
#define GUARD_PR_GET_MEMORY_MERGE 68

/* PAGEMAP_SCAN: Linux 6.7 */
struct guard_page_region {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

struct guard_pm_scan_arg {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;          /* where it stopped */
    uint64_t vec;               /* struct guard_page_region */
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};

#define GUARD_PAGEMAP_SCAN _IOWR('f', 16, struct guard_pm_scan_arg)
#define GUARD_PAGE_IS_PRESENT (UINT64_C(1) << 3)
#define GUARD_PAGE_IS_PFNZERO (UINT64_C(1) << 5)

#endif
