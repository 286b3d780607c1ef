/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Marks in the instruction stream, for the plugin of an emulator that counts between them (tcg-plugin/). A mark is a
 * NOP of eight bytes whose unused displacement says what it means: whoever does not look for it executes a NOP. It
 * carries no operand, so a number is spelled in marks, bit by bit.
 */
#include <stdint.h>

enum mmlab_mark {
	MMLAB_MARK_OPEN, /* of a case: forgets everything before; 64 bits follow that name it */
	MMLAB_MARK_ZERO, /* a bit of the name, the highest first */
	MMLAB_MARK_ONE,
	MMLAB_MARK_BEGIN,  /* what is counted begins in one task; counted is while any task is inside */
	MMLAB_MARK_END,	   /* it ends in that task */
	MMLAB_MARK_REPORT, /* of a case: its counts are complete */
	MMLAB_N_MARKS,
};

#define MMLAB_MARK_MAGIC 0x6c6d6d00 /* the displacement: this plus one of the above */

#ifdef __x86_64__
/* nopl MAGIC+mark(%rax,%rax,1): spelled out, as assemblers choose encodings. */
#define mmlab_mark(mark) \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long %c0" : : "i"(MMLAB_MARK_MAGIC + (mark)) : "memory")
#else
#define mmlab_mark(mark) ((void)(mark))
#endif

/** mmlab_mark_open() - say which case comes; by one task, while nothing else of it runs */
static inline void mmlab_mark_open(uint64_t name)
{
	mmlab_mark(MMLAB_MARK_OPEN);
	for (int bit = 63; bit >= 0; bit--) {
		if (name >> bit & 1)
			mmlab_mark(MMLAB_MARK_ONE);
		else
			mmlab_mark(MMLAB_MARK_ZERO);
	}
}
