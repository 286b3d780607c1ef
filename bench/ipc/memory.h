/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where buffers lie: private memory on either side, or one memory file that both map; and their page-fault arithmetic.
 */
#include "ipc.h"

/* A knob and its value for contenders whose memory file shall have transparent huge pages, or pages from hugetlb. */
extern const struct mmlab_knob ipc_thp_knobs[], ipc_hugetlb_knobs[];

/** ipc_map_bytes() - the length in which the buffer is mapped: @bytes rounded up to what its pages are. */
size_t ipc_map_bytes(const struct ipc *p);

/** ipc_map() - map p->fd, or private memory if that is -1, at p->place, as p->map. Return: 0 or -errno. */
int ipc_map(struct ipc *p, int prot, int flags);

/** ipc_unmap() - unmap p->map. Return: 0 or -errno. */
int ipc_unmap(struct ipc *p);

/** ipc_memfd() - a memory file of the buffer's size in the contender's pages. Return: it, or -errno. */
int ipc_memfd(const struct ipc *p, unsigned int flags);

/** ipc_skip_without_pages() - Return: 0, MMLAB_SKIP where hugetlb has not enough free pages, or -errno. */
int ipc_skip_without_pages(struct ipc *p);

/** ipc_private() - for open_producer or open_consumer: private memory, there from the start. */
int ipc_private(struct ipc *p);

/** ipc_file() - for open_shared: a memory file as p->fd. MMLAB_SKIP where there are not enough huge pages. */
int ipc_file(struct ipc *p);

/** ipc_file_producer(), ipc_file_consumer() - for the other two: map it, shared. */
int ipc_file_producer(struct ipc *p);
int ipc_file_consumer(struct ipc *p);

/** ipc_take() - for take, where the buffer is at p->addr. */
int ipc_take(struct ipc *p);

/** ipc_prove_pages() - for prove: the producer's buffer is mapped by huge pages, if that is what it is made of. */
int ipc_prove_pages(struct ipc *p, uint64_t n);

/** ipc_unfit_huge() - for mmlab_contender.unfit of contenders with huge pages. */
const char *ipc_unfit_huge(const struct mmlab_case *c);

/** ipc_unfit_mostly_unused() - the same for those that gain nothing by a huge page for less than that. */
const char *ipc_unfit_mostly_unused(const struct mmlab_case *c);

/* Page faults. */

/** ipc_faults_pages() - one for each page of the buffer. */
uint64_t ipc_faults_pages(const struct ipc *p);

/** ipc_faults_around() - reading pages that are there: the kernel maps a window of neighbours with each. */
uint64_t ipc_faults_around(const struct ipc *p);

/** ipc_faults_clean() - writing what was mapped by reading: one for each page, or the processor sets dirty bits. */
uint64_t ipc_faults_clean(const struct ipc *p);

/** ipc_faults_consumer() - what reading a new mapping of the file takes the consumer; none if it does not touch it. */
uint64_t ipc_faults_consumer(const struct ipc *p);

/* Bytes copied: by each consumer, or on either side. */
uint64_t ipc_copied_once(const struct ipc *p);
uint64_t ipc_copied_twice(const struct ipc *p);

/* A memory file that stays mapped with the producer; and, as it is, with the consumers. */
#define IPC_FILE_OPS .many = true, .open_shared = ipc_file, .open_producer = ipc_file_producer
#define IPC_SHM_OPS  IPC_FILE_OPS, .open_consumer = ipc_file_consumer, .take = ipc_take
