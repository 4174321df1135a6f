/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every operation: what it is made of, and who carries it out. */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define SIZE(type)      sizeof(Wire##type)
/* Something new in a directory */
#define OP_MAKES        (OP_CHANGES | OP_DIRECTORY | OP_MAY_WRITE | \
                         OP_MAY_SEARCH)

int share_op_no_ioctl(Call *call)
{
    return -ENOTTY;
}

int share_op_unknown(Call *call)
{
    return -ENOSYS;
}

static const Operation operations[WIRE_OPS] = {
    [WIRE_LOOKUP] = { "lookup", share_op_lookup, 0, 1, SIZE(EntryOut),
                      OP_ROOT | OP_DIRECTORY | OP_OLD_NAME |
                      OP_MAY_SEARCH },
    [WIRE_FORGET] = { "forget", share_op_forget, SIZE(ForgetIn), 0, 0,
                      OP_NO_NODE | OP_NO_REPLY },
    [WIRE_BATCH_FORGET] = { "batch-forget", share_op_batch_forget,
                            SIZE(BatchForgetIn), 0, 0,
                            OP_NO_NODE | OP_NO_REPLY },
    [WIRE_GETATTR] = { "getattr", share_op_getattr, SIZE(GetattrIn), 0,
                       SIZE(AttrOut), OP_ROOT },
    [WIRE_STATX] = { "statx", share_op_statx, SIZE(StatxIn), 0,
                     SIZE(StatxOut), OP_ROOT },
    [WIRE_SETATTR] = { "setattr", share_op_setattr, SIZE(SetattrIn), 0,
                       SIZE(AttrOut), OP_CHANGES | OP_OWNER },
    [WIRE_ACCESS] = { "access", share_op_access, SIZE(AccessIn), 0, 0,
                      OP_ROOT },
    [WIRE_READLINK] = { "readlink", share_op_readlink, 0, 0, 0, 0 },
    [WIRE_SYMLINK] = { "symlink", share_op_symlink, 0, 2, SIZE(EntryOut),
                       OP_MAKES },
    [WIRE_MKNOD] = { "mknod", share_op_mknod, SIZE(MknodIn), 1,
                     SIZE(EntryOut), OP_MAKES },
    [WIRE_MKDIR] = { "mkdir", share_op_mkdir, SIZE(MkdirIn), 1,
                     SIZE(EntryOut), OP_MAKES },
    [WIRE_UNLINK] = { "unlink", share_op_unlink, 0, 1, 0,
                      OP_MAKES | OP_OLD_NAME },
    [WIRE_RMDIR] = { "rmdir", share_op_rmdir, 0, 1, 0,
                     OP_MAKES | OP_OLD_NAME },
    [WIRE_RENAME] = { "rename", share_op_rename, SIZE(RenameIn), 2, 0,
                      OP_MAKES | OP_OLD_NAME },
    [WIRE_RENAME2] = { "rename", share_op_rename2, SIZE(Rename2In), 2, 0,
                       OP_MAKES | OP_OLD_NAME },
    [WIRE_LINK] = { "link", share_op_link, SIZE(LinkIn), 1, SIZE(EntryOut),
                    OP_MAKES },
    [WIRE_OPEN] = { "open", share_op_open, SIZE(OpenIn), 0, SIZE(OpenOut),
                    0 },
    [WIRE_CREATE] = { "create", share_op_create, SIZE(CreateIn), 1,
                      SIZE(EntryOut) + SIZE(OpenOut), OP_MAKES },
    [WIRE_TMPFILE] = { "tmpfile", share_op_tmpfile, SIZE(CreateIn), 1,
                       SIZE(EntryOut) + SIZE(OpenOut),
                       OP_MAKES | OP_ANY_NAME },
    [WIRE_RELEASE] = { "release", share_op_release, SIZE(ReleaseIn), 0, 0,
                       OP_STALE | OP_FILE_HANDLE },
    [WIRE_FLUSH] = { "flush", share_op_flush, SIZE(FlushIn), 0, 0,
                     OP_FILE_HANDLE },
    [WIRE_FSYNC] = { "fsync", share_op_fsync, SIZE(FsyncIn), 0, 0,
                     OP_FILE_HANDLE },
    [WIRE_OPENDIR] = { "opendir", share_op_opendir, SIZE(OpenIn), 0,
                       SIZE(OpenOut),
                       OP_ROOT | OP_DIRECTORY | OP_MAY_READ },
    [WIRE_READDIR] = { "readdir", share_op_readdir, SIZE(ReadIn), 0, 0,
                       OP_ROOT | OP_DIR_HANDLE },
    [WIRE_READDIRPLUS] = { "readdir", share_op_readdirplus, SIZE(ReadIn), 0,
                           0, OP_ROOT | OP_DIR_HANDLE },
    [WIRE_RELEASEDIR] = { "releasedir", share_op_release, SIZE(ReleaseIn), 0,
                          0, OP_ROOT | OP_STALE | OP_DIR_HANDLE },
    [WIRE_FSYNCDIR] = { "fsyncdir", share_op_fsync, SIZE(FsyncIn), 0, 0,
                        OP_ROOT | OP_DIR_HANDLE },
    [WIRE_READ] = { "read", share_op_read, SIZE(ReadIn), 0, 0,
                    OP_FILE_HANDLE },
    [WIRE_WRITE] = { "write", share_op_write, SIZE(WriteIn), 0,
                     SIZE(WriteOut),
                     OP_CHANGES | OP_FILE_HANDLE | OP_DATA },
    [WIRE_FALLOCATE] = { "fallocate", share_op_fallocate, SIZE(FallocateIn),
                         0, 0, OP_CHANGES | OP_FILE_HANDLE },
    [WIRE_LSEEK] = { "lseek", share_op_lseek, SIZE(LseekIn), 0,
                     SIZE(LseekOut), OP_FILE_HANDLE },
    [WIRE_COPY_FILE_RANGE] = { "copy", share_op_copy, SIZE(CopyFileRangeIn),
                               0, SIZE(WriteOut),
                               OP_CHANGES | OP_FILE_HANDLE },
    [WIRE_STATFS] = { "statfs", share_op_statfs, 0, 0, SIZE(StatfsOut),
                      OP_ROOT },
    [WIRE_SYNCFS] = { "syncfs", share_op_syncfs, SIZE(SyncfsIn), 0, 0,
                      OP_ROOT },
    [WIRE_GETXATTR] = { "getxattr", share_op_getxattr, SIZE(GetxattrIn), 1,
                        0, OP_ANY_NAME | OP_MAY_READ },
    [WIRE_LISTXATTR] = { "listxattr", share_op_listxattr, SIZE(GetxattrIn),
                         0, 0, 0 },
    [WIRE_SETXATTR] = { "setxattr", share_op_setxattr, SIZE(SetxattrIn), 1,
                        0, OP_CHANGES | OP_ANY_NAME | OP_MAY_WRITE },
    [WIRE_REMOVEXATTR] = { "removexattr", share_op_removexattr, 0, 1, 0,
                           OP_CHANGES | OP_ANY_NAME | OP_MAY_WRITE },
    [WIRE_GETLK] = { "getlk", share_op_getlk, SIZE(LkIn), 0, SIZE(LkOut),
                     OP_FILE_HANDLE },
    [WIRE_SETLK] = { "setlk", share_op_setlk, SIZE(LkIn), 0, 0,
                     OP_FILE_HANDLE },
    [WIRE_SETLKW] = { "setlk", share_op_setlkw, SIZE(LkIn), 0, 0,
                      OP_FILE_HANDLE },
    [WIRE_INTERRUPT] = { "interrupt", share_op_interrupt, SIZE(InterruptIn),
                         0, 0, OP_NO_NODE | OP_NO_REPLY },
    [WIRE_INIT] = { "init", share_op_init, WIRE_INIT_SHORT, 0, SIZE(InitOut),
                    OP_NO_NODE | OP_EARLY },
    [WIRE_DESTROY] = { "destroy", share_op_destroy, 0, 0, 0, OP_NO_NODE },
    [WIRE_SETUPMAPPING] = { "map", share_op_setup_mapping,
                            SIZE(SetupMappingIn), 0, 0, 0 },
    [WIRE_REMOVEMAPPING] = { "unmap", share_op_remove_mapping,
                             SIZE(RemoveMappingIn), 0, 0, OP_NO_NODE },
    [WIRE_IOCTL] = { "ioctl", share_op_no_ioctl, 0, 0, 0, OP_NO_NODE },
    [WIRE_BMAP] = { "bmap", share_op_unknown, 0, 0, 0, OP_NO_NODE },
    [WIRE_POLL] = { "poll", share_op_unknown, 0, 0, 0, OP_NO_NODE },
};

static const Operation unknown = {
    "operation", share_op_unknown, 0, 0, 0, OP_NO_NODE,
};

const Operation *share_operation(uint32_t opcode)
{
    return opcode < WIRE_OPS && operations[opcode].name
               ? &operations[opcode] : &unknown;
}

const char *share_operation_name(uint32_t opcode)
{
    return share_operation(opcode)->name;
}

uint32_t share_operation_by_name(const char *name)
{
    for (uint32_t i = 1; i < WIRE_OPS; i++) {
        if (operations[i].name && strcmp(operations[i].name, name) == 0) {
            return i;
        }
    }
    return 0;
}
