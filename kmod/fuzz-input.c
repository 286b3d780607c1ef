// SPDX-License-Identifier: MIT
/*
 * Inputs: made up, changed, kept in files. All follows from a seed.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

static const char magic[8] = "mmlabfz1";

uint32_t fuzz_below(struct fuzz_random *random, uint32_t n)
{
	uint64_t x = random->state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	x ^= x >> 31;
	return (uint32_t)(((x >> 32) * n) >> 32);
}

static bool one_in(struct fuzz_random *random, uint32_t n)
{
	return fuzz_below(random, n) == 0;
}

/* One of the mechanisms in question. */
static enum fuzz_group mech_pick(struct fuzz_random *random,
				 const struct fuzz_wish *wish)
{
	unsigned int group;

	do
		group = 1 + fuzz_below(random, FUZZ_N_GROUPS - 1);
	while (!(wish->groups & 1U << group));
	return (enum fuzz_group)group;
}

static enum fuzz_group group_pick(struct fuzz_random *random,
				  const struct fuzz_wish *wish)
{
	if (wish->groups == 1U << FUZZ_MEMORY || one_in(random, 2))
		return FUZZ_MEMORY;
	return mech_pick(random, wish);
}

/* A slot that suits: of the type's own, or, if all do, of what is in question. */
static unsigned int slot_pick(struct fuzz_random *random,
			      const struct fuzz_type *type,
			      const struct fuzz_wish *wish)
{
	bool is_fd = type->meaning == FUZZ_FD;
	unsigned int n_all = is_fd ? 48 : 32;
	const struct fuzz_slots *own;

	if (one_in(random, 24))
		return fuzz_below(random, n_all);
	if (type->n < n_all)
		return type->first + fuzz_below(random, type->n);
	own = &fuzz_slots[one_in(random, 4) ? FUZZ_MEMORY :
					      group_pick(random, wish)];
	if (is_fd)
		return own->first_fd + fuzz_below(random, own->n_fds);
	return own->first_region + fuzz_below(random, own->n_regions);
}

static uint16_t raw_make(struct fuzz_random *random, const struct fuzz_type *type,
			 const struct fuzz_wish *wish)
{
	switch (type->meaning) {
	case FUZZ_ADDRESS:
	case FUZZ_SOURCE:
		return (uint16_t)(slot_pick(random, type, wish) +
				  32 * fuzz_below(random, 2048));
	case FUZZ_FD:
		return (uint16_t)slot_pick(random, type, wish);
	case FUZZ_TWIST:
		return (uint16_t)(one_in(random, 8) ? fuzz_below(random, 41) : 0);
	case FUZZ_NUMBER:
		return (uint16_t)fuzz_below(random, type->n);
	default:
		return (uint16_t)fuzz_below(random, 65536);
	}
}

/* What is mapped has a size by its slot: mostly an odd one goes to an odd one. */
static void step_align(struct fuzz_random *random, struct fuzz_step *step)
{
	const struct fuzz_kind *kind = &fuzz_kinds[step->kind];
	int fd = -1, address = -1;

	for (unsigned int i = 0; i < kind->n_args; i++) {
		enum fuzz_meaning meaning = kind->types[i]->meaning;

		if (meaning == FUZZ_FD && fd < 0)
			fd = (int)i;
		if (meaning == FUZZ_ADDRESS && address < 0)
			address = (int)i;
	}
	if (fd >= 0 && address >= 0 && !one_in(random, 8))
		step->raw[address] = (uint16_t)((step->raw[address] & ~1U) |
						(step->raw[fd] & 1));
}

static void step_make(struct fuzz_random *random, const struct fuzz_wish *wish,
		      unsigned int kind, unsigned int worker,
		      struct fuzz_step *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = (uint8_t)kind;
	ret->worker = (uint8_t)worker;
	for (unsigned int i = 0; i < fuzz_kinds[kind].n_args; i++)
		ret->raw[i] = raw_make(random, fuzz_kinds[kind].types[i], wish);
	step_align(random, ret);
}

static unsigned int kind_pick_of(struct fuzz_random *random,
				 enum fuzz_group group)
{
	unsigned int total = 0, left;

	for (unsigned int i = 0; i < fuzz_n_kinds; i++)
		if (fuzz_kinds[i].group == group)
			total += fuzz_kinds[i].weight;
	left = fuzz_below(random, total);
	for (unsigned int i = 0;; i++) {
		if (fuzz_kinds[i].group != group)
			continue;
		if (left < fuzz_kinds[i].weight)
			return i;
		left -= fuzz_kinds[i].weight;
	}
}

static unsigned int kind_pick(struct fuzz_random *random,
			      const struct fuzz_wish *wish)
{
	return kind_pick_of(random, group_pick(random, wish));
}

static unsigned int kind_named(const char *name)
{
	for (unsigned int i = 0; i < fuzz_n_kinds; i++)
		if (strcmp(fuzz_kinds[i].name, name) == 0)
			return i;
	return 0;
}

/* One step of a kind, as the plainest caller would do it, on a slot or place. */
static void step_plain(struct fuzz_random *random, const struct fuzz_wish *wish,
		       const char *name, unsigned int worker, unsigned int nth,
		       struct fuzz_input *input)
{
	struct fuzz_step *step;
	const struct fuzz_kind *kind;

	if (input->n_steps == FUZZ_MAX_STEPS)
		return;
	step = &input->steps[input->n_steps++];
	step_make(random, wish, kind_named(name), worker, step);
	kind = &fuzz_kinds[step->kind];
	for (unsigned int i = 0; i < kind->n_args; i++) {
		const struct fuzz_type *type = kind->types[i];

		if (type->meaning == FUZZ_FD || type->meaning == FUZZ_ADDRESS)
			step->raw[i] = (uint16_t)(type->first + nth % type->n);
		else if (type->meaning != FUZZ_NUMBER && !one_in(random, 8))
			step->raw[i] = type->meaning == FUZZ_CHOICE ?
				(uint16_t)(step->raw[i] % (type->n + 1) / 2) :
				type->meaning == FUZZ_LENGTH ? 23 : 0;
	}
}

/* What there is to begin with: something of each mechanism in question. */
static void begin_make(struct fuzz_random *random, const struct fuzz_wish *wish,
		       struct fuzz_input *input)
{
	/* On these slots; by each worker, or before them. */
	static const struct {
		enum fuzz_group group;
		const char *name;
		unsigned int first, end;
		bool each;
	} plain[] = {
		{ FUZZ_MEMORY, "new file", 0, 6, false },
		{ FUZZ_MEMORY, "map anonymous", 0, 4, true },
		{ FUZZ_MEMORY, "map file", 0, 4, true },
		{ FUZZ_MEMORY, "new uffd", 3, 4, true },
		{ FUZZ_MEMORY, "uffd register", 3, 4, true },
		{ FUZZ_REFPAGE, "refpage create", 0, 4, false },
		{ FUZZ_REFPAGE, "refpage map", 0, 4, true },
		{ FUZZ_LOCKBUF, "lockbuf create", 0, 4, false },
		{ FUZZ_LOCKBUF, "lockbuf map", 0, 4, true },
		{ FUZZ_MSHARE, "mshare file", 0, 4, false },
		{ FUZZ_MSHARE, "mshare map", 0, 4, true },
		{ FUZZ_MSHARE, "region open", 0, 6, false },
		{ FUZZ_MSHARE, "region size", 3, 6, false },
		{ FUZZ_MSHARE, "region map", 3, 6, false },
		{ FUZZ_MSHARE, "mshare adopt", 0, 2, true },
		{ FUZZ_MSHARE, "region mmap", 4, 6, true },
		{ FUZZ_CLONE, "new pidfd", 0, 4, true },
		{ FUZZ_CLONE, "clone anonymous", 0, 2, true },
		{ FUZZ_SPF, "spf create", 0, 4, false },
		{ FUZZ_SPF, "spf map", 0, 4, true },
		{ FUZZ_ARENA, "arena create", 0, 4, false },
		{ FUZZ_ARENA, "arena map", 0, 4, false },
		{ FUZZ_ARENA, "arena mmap", 0, 4, true },
	};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		unsigned int n = plain[i].each ? wish->n_workers : 1;

		if (!(wish->groups & 1U << plain[i].group))
			continue;
		for (unsigned int nth = plain[i].first; nth < plain[i].end; nth++)
			for (unsigned int w = 0; w < n; w++)
				if (!one_in(random, 4))
					step_plain(random, wish, plain[i].name,
						   plain[i].each ? w : FUZZ_FIRST,
						   nth, input);
	}
}

void fuzz_input_make(struct fuzz_random *random, const struct fuzz_wish *wish,
		     struct fuzz_input *ret)
{
	unsigned int n_own = wish->n_workers * wish->n_steps;
	struct fuzz_wish some = *wish;

	/* More than a few would hardly meet. */
	while (__builtin_popcount(some.groups) > 4)
		some.groups &= ~(1U << mech_pick(random, &some));
	ret->n_workers = wish->n_workers;
	ret->n_steps = 0;
	begin_make(random, &some, ret);
	for (unsigned int i = 0; i < n_own && ret->n_steps < FUZZ_MAX_STEPS; i++)
		step_make(random, &some, kind_pick(random, &some),
			  fuzz_below(random, wish->n_workers),
			  &ret->steps[ret->n_steps++]);
}

static void input_insert(struct fuzz_input *input, uint32_t at,
			 const struct fuzz_step *steps, uint32_t n)
{
	if (n > FUZZ_MAX_STEPS - input->n_steps)
		n = FUZZ_MAX_STEPS - input->n_steps;
	memmove(&input->steps[at + n], &input->steps[at],
		(input->n_steps - at) * sizeof(*steps));
	memcpy(&input->steps[at], steps, n * sizeof(*steps));
	input->n_steps += n;
}

static void input_delete(struct fuzz_input *input, uint32_t at, uint32_t n)
{
	if (n > input->n_steps - at)
		n = input->n_steps - at;
	memmove(&input->steps[at], &input->steps[at + n],
		(input->n_steps - at - n) * sizeof(*input->steps));
	input->n_steps -= n;
}

static void arg_change(struct fuzz_random *random, const struct fuzz_wish *wish,
		       struct fuzz_step *step)
{
	const struct fuzz_kind *kind = &fuzz_kinds[step->kind % fuzz_n_kinds];
	unsigned int i;

	if (kind->n_args == 0)
		return;
	i = fuzz_below(random, kind->n_args);
	step->raw[i] = raw_make(random, kind->types[i], wish);
}

void fuzz_input_change(struct fuzz_random *random, const struct fuzz_wish *wish,
		       const struct fuzz_input *other, struct fuzz_input *input)
{
	unsigned int n_changes = 1 + fuzz_below(random, 8);

	while (n_changes-- > 0) {
		uint32_t n = input->n_steps;
		uint32_t at = n ? fuzz_below(random, n) : 0;
		uint32_t from, few = 1 + fuzz_below(random, 12);
		struct fuzz_step step;

		switch (n ? fuzz_below(random, 10) : 0) {
		case 0: case 1: case 2:
			step_make(random, wish, kind_pick(random, wish),
				  fuzz_below(random, input->n_workers), &step);
			input_insert(input, at, &step, 1);
			break;
		case 3:
			input_delete(input, at, few);
			break;
		case 4: case 5:
			if (other->n_steps == 0)
				break;
			from = fuzz_below(random, other->n_steps);
			if (few > other->n_steps - from)
				few = other->n_steps - from;
			input_insert(input, at, &other->steps[from], few);
			break;
		case 6:
			input->steps[at].worker =
				(uint8_t)fuzz_below(random, input->n_workers);
			break;
		default:
			arg_change(random, wish, &input->steps[at]);
		}
	}
}

int fuzz_input_read(const char *path, struct fuzz_input *ret)
{
	FILE *file = fopen(path, "re");
	char head[sizeof(magic)];
	uint32_t sizes[2];
	int err = 0;

	if (!file)
		return -errno;
	if (fread(head, sizeof(head), 1, file) != 1 ||
	    memcmp(head, magic, sizeof(magic)) != 0 ||
	    fread(sizes, sizeof(sizes), 1, file) != 1 || sizes[0] < 1 ||
	    sizes[0] > 8 || sizes[1] > FUZZ_MAX_STEPS ||
	    fread(ret->steps, sizeof(*ret->steps), sizes[1], file) != sizes[1])
		err = -EINVAL;
	ret->n_workers = err ? 0 : sizes[0];
	ret->n_steps = err ? 0 : sizes[1];
	(void)fclose(file);
	return err;
}

int fuzz_input_write(const char *path, const struct fuzz_input *input)
{
	const uint32_t sizes[2] = { input->n_workers, input->n_steps };
	FILE *file = fopen(path, "we");
	int err = 0;

	if (!file)
		return -errno;
	if (fwrite(magic, sizeof(magic), 1, file) != 1 ||
	    fwrite(sizes, sizeof(sizes), 1, file) != 1 ||
	    fwrite(input->steps, sizeof(*input->steps), input->n_steps, file) !=
		    input->n_steps)
		err = -EIO;
	if (fclose(file) != 0)
		err = -errno;
	return err;
}
