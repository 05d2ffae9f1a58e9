/* Random calls on cards and their buffers, in threads. What is mapped keeps its contents whatever happens to handles and descriptors. */
#include "common.h"

struct create_dumb { uint32_t height, width, bpp, flags, handle, pitch; uint64_t size; };
struct map_dumb { uint32_t handle, pad; uint64_t offset; };
struct prime { uint32_t handle, flags; int32_t fd; };
struct attach { uint32_t handle, flags, out_fence, pad; };
struct signal_fence { uint32_t fence, flags; };

enum { CARDS = 2, FDS = 6, MAPPINGS = 12 };
static long calls;
static uint64_t seed;

struct mapping { uint64_t *at; size_t size; uint64_t mark; };

struct state {
	uint64_t random;
	int cards[CARDS], fds[FDS];
	struct mapping mappings[MAPPINGS];
	const char *failed;
};

static uint64_t next(struct state *s) {
	s->random ^= s->random << 13, s->random ^= s->random >> 7, s->random ^= s->random << 17;
	return s->random;
}

static int open_card(void) { return open("/dev/dri/card0", O_RDWR | O_CLOEXEC); }

static void release(struct state *s, struct mapping *old) {
	if (!old->at)
		return;
	if (old->at[0] != old->mark || old->at[old->size / 8 - 1] != old->mark)
		s->failed = "contents were lost";
	munmap(old->at, old->size);
	old->at = NULL;
}

static void keep(struct state *s, void *at, size_t size) {
	if (at == MAP_FAILED)
		return;
	struct mapping *place = &s->mappings[next(s) % MAPPINGS];
	release(s, place);
	*place = (struct mapping){at, size, next(s)};
	place->at[0] = place->at[size / 8 - 1] = place->mark;
}

/* Buffers are mapped once only, right after they were made: so whoever writes into a mapping is the only one. */
static void make(struct state *s, int card) {
	struct create_dumb dumb = {.width = 1 + next(s) % 64, .height = 1 + next(s) % 64, .bpp = 32};
	if (ioctl(card, _IOWR('d', 0xb2, struct create_dumb), &dumb))
		return;
	struct map_dumb place = {.handle = dumb.handle};
	if (next(s) % 2 || ioctl(card, _IOWR('d', 0xb3, struct map_dumb), &place))
		return;
	keep(s, mmap(0, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, place.offset), dumb.size);
}

static void step(struct state *s) {
	int *card = &s->cards[next(s) % CARDS], *fd = &s->fds[next(s) % FDS];
	uint32_t handle = next(s) % 6;
	struct prime prime = {handle, O_RDWR | O_CLOEXEC, *fd};
	struct attach attach = {handle, next(s) % 3, 0, 0};
	struct signal_fence fence = {next(s) % 4, 0};
	uint64_t words[8];
	switch (next(s) % 9) {
	case 0: case 1: make(s, *card); break;
	case 2: ioctl(*card, _IOW('d', 9, uint64_t), &(uint64_t){handle}); break;
	case 3:
		if (!ioctl(*card, _IOWR('d', 0x2d, struct prime), &prime))
			close(*fd), *fd = prime.fd;
		break;
	case 4: ioctl(*card, _IOWR('d', 0x2e, struct prime), &prime); break;
	case 5: ioctl(*card, _IOWR('d', 0x41, struct attach), &attach); break;
	case 6: ioctl(*card, _IOW('d', 0x42, struct signal_fence), &fence); break;
	case 7:
		for (int i = 0; i < 8; i++)
			words[i] = next(s) % 2 ? next(s) % 9 : next(s) >> next(s) % 64;
		unsigned number = next(s) % 256;
		/* What makes descriptors is done above, where they are remembered. */
		if (number != 0x2d)
			ioctl(*card, _IOC(next(s) % 4, 'd', number, next(s) % 65), next(s) % 8 ? words : NULL);
		mmap(0, 4096, PROT_READ, MAP_PRIVATE, *card, (0x500ull << 32) + next(s) % 64 * 4096);
		break;
	default:
		if (next(s) % 8 == 0)
			close(*card), *card = open_card();
		release(s, &s->mappings[next(s) % MAPPINGS]);
	}
}

static void *run(void *number) {
	static __thread struct state state;
	struct state *s = &state;
	s->random = seed * 2654435761u + (uintptr_t)number;
	for (int i = 0; i < CARDS; i++)
		s->cards[i] = open_card();
	for (int i = 0; i < FDS; i++)
		s->fds[i] = -1;
	for (long i = 0; i < calls && !s->failed; i++)
		step(s);
	for (int i = 0; i < MAPPINGS; i++)
		release(s, &s->mappings[i]);
	for (int i = 0; i < CARDS; i++)
		close(s->cards[i]);
	for (int i = 0; i < FDS; i++)
		close(s->fds[i]);
	return (void *)s->failed;
}

int main(int argc, char **argv) {
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) | 1 : 1;
	calls = argc > 2 ? atol(argv[2]) : 1000;
	int before = open_descriptors();
	pthread_t threads[3];
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, run, (void *)(i + 1));
	for (int i = 0; i < 3; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		printf("thread: %s\n", failed ? (char *)failed : "ok");
	}
	printf("descriptors left: %d\n", open_descriptors() - before);
	fflush(stdout);
	/* The broker is looked at while this still runs. */
	getchar();
	return 0;
}
