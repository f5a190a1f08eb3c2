/* instructions.so: a plugin for qemu-user that says at the end how many instructions
 * the guest ran, as a figure that internal/benchmark reads. Built by scripts/bench-arm.
 * Debian has qemu's plugins but not their header: what is used of its version 1 is
 * declared here. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

typedef uint64_t plugin;
struct qemu_plugin_tb;
struct qemu_info;
enum operation { ADD };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, enum operation, void *counter, uint64_t value);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin, void (*translated)(plugin, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(plugin, void (*end)(plugin, void *), void *);

int qemu_plugin_version = 1;

/* Threads add to it at once: some are lost where two run, none where GOMAXPROCS is 1. */
static uint64_t instructions;

static void translated(plugin id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, &instructions, qemu_plugin_tb_n_insns(block));
}

static void end(plugin id, void *none)
{
    (void)id, (void)none;
    fprintf(stderr, "FIGURE instructions %" PRIu64 "\n", instructions);
}

int qemu_plugin_install(plugin id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
