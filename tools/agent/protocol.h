/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protocol between Sunder's host tools and the agent inside a guest
 *
 * It runs over virtio-serial ports of its own, apart from the console and the
 * network, so a flooded console or a dead network card does not disturb it.
 * Ports are named AGENT_PORT_PREFIX and a number from 0 to AGENT_PORTS_MAX - 1;
 * a machine has one at least. Each carries one connection at a time, which
 * knows nothing of those on the others.
 *
 * Concepts
 *   frame       a header of AGENT_HEADER_SIZE bytes, then 0 to
 *               AGENT_PAYLOAD_MAX bytes of payload. All integers are little
 *               endian. Both ends send frames at any time.
 *   connection  begins with the host's SYNC. A SYNC ends the connection before
 *               it: its commands get SIGHUP (SIGKILL two seconds later) unless
 *               they were started with AGENT_EXEC_DETACHED. The same happens
 *               when the host closes its end of the port.
 *   command     one program started by EXEC, named by an id that the host
 *               chooses. Any number runs at the same time. An id is free again
 *               after its EXIT or after an ERROR that carries it.
 *   ready       the guest's start-up (drivers, root file system) is over. An
 *               EXEC that arrives before waits for it unless it carries
 *               AGENT_EXEC_EARLY.
 *
 * What a host does
 *   1. Connect to the port's socket; it may do so before the guest runs.
 *   2. Send SYNC with a nonce of its own; drop every frame until SYNC_ACK
 *      comes with that nonce. What stood in the pipe from another connection
 *      (or from before a snapshot was restored) is gone by then.
 *   3. Send EXEC and pass STDOUT and STDERR on until EXIT. EXIT is the last
 *      frame of an id: whatever the command itself had written is before it.
 *
 * Flow control
 *   guest to host: the port itself. The agent reads a command's output only
 *     while the port takes data, so a command that prints more than the host
 *     reads stops in write(). The host reads the port at all times; it must
 *     not wait for one command's consumer while others run.
 *   host to guest: per command. At most AGENT_STDIN_WINDOW bytes of STDIN may
 *     be under way; STDIN_ACK gives bytes back as the command takes them.
 *
 * Damage
 *   Header and payload carry CRC-32s (the polynomial of IEEE 802.3). A frame
 *   that does not check is dropped and the parser searches the next header;
 *   the agent reports it with ERROR, id 0, errno EBADMSG.
 */
#ifndef SUNDER_AGENT_PROTOCOL_H
#define SUNDER_AGENT_PROTOCOL_H

#define AGENT_PORT_PREFIX       "org.sunder.agent."
#define AGENT_PORT_NAME         AGENT_PORT_PREFIX "0"
#define AGENT_PORTS_MAX         8u
#define AGENT_PROTOCOL_VERSION  1

/*
 * Header, 24 bytes:
 *   0  u32  magic, AGENT_MAGIC (the bytes "SNDR")
 *   4  u16  type, enum AgentType
 *   6  u16  flags, of EXEC and SYNC_ACK; 0 elsewhere
 *   8  u32  id of the command; 0 where the frame concerns none
 *  12  u32  length of the payload in bytes, at most AGENT_PAYLOAD_MAX
 *  16  u32  CRC-32 of the payload
 *  20  u32  CRC-32 of bytes 0 to 19
 */
#define AGENT_MAGIC             0x52444e53u
#define AGENT_HEADER_SIZE       24u
#define AGENT_PAYLOAD_MAX       65536u
#define AGENT_FRAME_MAX         (AGENT_HEADER_SIZE + AGENT_PAYLOAD_MAX)

/* Bytes of STDIN that may be sent and not yet acknowledged, per command */
#define AGENT_STDIN_WINDOW      65536u

/* Commands of a port that can run at one time; one more gets ERROR EAGAIN */
#define AGENT_COMMANDS_MAX      64u

typedef enum AgentType {
    /* host to guest */
    AGENT_SYNC = 1,       /* u64 nonce */
    AGENT_EXEC = 2,       /* AgentExec, see message.h; flags AGENT_EXEC_* */
    AGENT_STDIN = 3,      /* bytes */
    AGENT_STDIN_EOF = 4,  /* empty; on a terminal it types ^D */
    AGENT_SIGNAL = 5,     /* u32 signal, to the command's process group */
    AGENT_RESIZE = 6,     /* u16 rows, u16 columns */

    /* guest to host */
    AGENT_SYNC_ACK = 64,  /* AgentSyncAck, see message.h; flags AGENT_ACK_* */
    AGENT_STDOUT = 65,    /* bytes */
    AGENT_STDERR = 66,    /* bytes */
    AGENT_EXIT = 67,      /* u32 status as wait(2) gives it (WIFEXITED...) */
    AGENT_ERROR = 68,     /* u32 errno of Linux, then text without a NUL */
    AGENT_STDIN_ACK = 69, /* u32 bytes the command took */
} AgentType;

/* Flags of EXEC */
#define AGENT_EXEC_MERGE        0x0001u /* standard error goes to STDOUT */
#define AGENT_EXEC_PTY          0x0002u /* on a terminal of its own */
#define AGENT_EXEC_EARLY        0x0004u /* at once, inside the initramfs */
#define AGENT_EXEC_DETACHED     0x0008u /* outlives the connection */
#define AGENT_EXEC_NO_STDIN     0x0010u /* standard input is /dev/null */

/* Flags of SYNC_ACK */
#define AGENT_ACK_READY         0x0001u /* start-up is over */

#endif /* SUNDER_AGENT_PROTOCOL_H */
