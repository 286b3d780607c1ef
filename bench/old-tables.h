/* SPDX-License-Identifier: MIT */
#ifndef MMLAB_OLD_TABLES_H
#define MMLAB_OLD_TABLES_H

/**
 * await_old_tables() - wait until the page tables of buffers that are gone are freed
 *
 * The module frees them a while after the end of the case before. For those who count page tables, the module's or the
 * machine's. Returns after a second whatever happens, and at once without the module.
 */
void await_old_tables(void);

#endif /* MMLAB_OLD_TABLES_H */
