/* Measures calls and prints their names and nanoseconds. Knows nothing of Wharf: devices that are not there are left out. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct alloc_data { uint64_t len; uint32_t fd, fd_flags; uint64_t heap_flags; };
struct part { uint32_t memfd, pad; uint64_t offset, size; };
struct list { uint32_t flags, count; struct part parts[256]; };
struct create_dumb { uint32_t height, width, bpp, flags, handle, pitch; uint64_t size; };
struct map_dumb { uint32_t handle, pad; uint64_t offset; };
#define ALLOC _IOWR('H', 0, struct alloc_data)
#define SYNC _IOW('b', 0, uint64_t)
#define CREATE_LIST _IOW('u', 0x43, uint64_t)
#define CREATE_DUMB _IOWR('d', 0xb2, struct create_dumb)
#define MAP_DUMB _IOWR('d', 0xb3, struct map_dumb)
enum { PAGE = 4096 };

static int heap, buffer, memory, pipes[2], card;
static struct map_dumb placed;

static void plain(void) { int count; ioctl(pipes[0], FIONREAD, &count); }
static void bracket(void) { uint64_t flags = 3; if (ioctl(buffer, SYNC, &flags)) exit(2); }
static int paired;
static char *touched;
static size_t paired_bytes;
static void pair(void) {
	uint64_t flags = 3 /* START, READ and WRITE */;
	int failed = ioctl(paired, SYNC, &flags);
	for (size_t i = 0; i < paired_bytes; i += 64)
		touched[i]++;
	flags |= 4 /* END */;
	if (failed || ioctl(paired, SYNC, &flags)) exit(8);
}
static void polled(void) { struct pollfd ready = {buffer, POLLIN, 0}; if (poll(&ready, 1, 0) != 1) exit(7); }
static void unknown(void) { uint64_t flags = 3; ioctl(memory, SYNC, &flags); }
static void allocate(void) {
	struct alloc_data data = {.len = PAGE, .fd_flags = O_RDWR | O_CLOEXEC};
	if (ioctl(heap, ALLOC, &data) || close(data.fd)) exit(3);
}
static void by_hand(void) {
	int fd = syscall(SYS_memfd_create, "by hand", 3);
	if (ftruncate(fd, PAGE) || close(fd)) exit(4);
}
static void opened(void) { if (close(open("/dev/null", O_RDWR | O_CLOEXEC))) exit(5); }
static void shortest(void) { syscall(SYS_getppid); }
static void map_pages(int pages, int flags, int fd, off_t place) {
	void *at = mmap(0, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, place);
	if (at == MAP_FAILED || munmap(at, (size_t)pages * PAGE)) exit(6);
}
static void map(int flags, int fd, off_t place) { map_pages(1, flags, fd, place); }
static void anonymous(void) { map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void shared(void) { map(MAP_SHARED, memory, 0); }
static void own(void) { map(MAP_PRIVATE, memory, 0); }
static int parts, of_parts;
static void shown(void) { map_pages(parts, MAP_SHARED, of_parts, 0); }
static void dumb(void) { map(MAP_SHARED, card, placed.offset); }

/* A buffer of every second page of a memory. */
static int make_of_parts(int count) {
	struct list *list = calloc(1, sizeof *list);
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), pages = syscall(SYS_memfd_create, "pages", 3);
	if (device < 0 || ftruncate(pages, 2l * count * PAGE) || fcntl(pages, F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	list->count = parts = count;
	for (int i = 0; i < count; i++)
		list->parts[i] = (struct part){pages, 0, 2l * i * PAGE, PAGE};
	return of_parts = ioctl(device, CREATE_LIST, list);
}

static double now(void) {
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1e9 + at.tv_nsec;
}

/* The median of rounds, so that what interrupts one does not count. */
static int ascending(const void *a, const void *b) { return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b); }
static void measure(const char *name, void (*call)(void), double turn, int round) {
	static double rounds[100000];
	int count = 0;
	double end = now() + turn;
	for (int i = 0; i < round; i++)
		call();
	do {
		double before = now();
		for (int i = 0; i < round; i++)
			call();
		rounds[count++] = (now() - before) / round;
	} while (now() < end && count < 100000);
	qsort(rounds, count, sizeof *rounds, ascending);
	printf("%s: %f\n", name, rounds[count / 2]);
}

int main(int argc, char **argv) {
	double turn = argc > 1 ? atof(argv[1]) * 1e6 : 1e8;
	memory = syscall(SYS_memfd_create, "memory", 1);
	if (ftruncate(memory, PAGE) || pipe(pipes))
		return 1;
	measure("plain", plain, turn, 100);
	measure("getppid", shortest, turn, 100);
	measure("open", opened, turn, 20);
	measure("anonymous", anonymous, turn, 20);
	measure("shared", shared, turn, 20);
	measure("private", own, turn, 20);
	measure("memfd", by_hand, turn, 10);
	measure("unknown", unknown, turn, 10);
	heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	struct alloc_data data = {.len = PAGE, .fd_flags = O_RDWR | O_CLOEXEC};
	if (heap >= 0 && !ioctl(heap, ALLOC, &data)) {
		buffer = data.fd;
		measure("sync", bracket, turn, 10);
		uint64_t flags = 7;
		ioctl(buffer, SYNC, &flags);
		measure("poll", polled, turn, 10);
		/* As many as it takes until what was closed is looked for, which counts, too. */
		measure("alloc", allocate, turn, 128);
	}
	for (paired_bytes = PAGE; paired_bytes <= 8 << 20; paired_bytes *= 2048) {
		struct alloc_data asked = {.len = paired_bytes, .fd_flags = O_RDWR | O_CLOEXEC};
		if (heap < 0 || ioctl(heap, ALLOC, &asked))
			break;
		paired = asked.fd;
		touched = mmap(0, paired_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, paired, 0);
		if (touched == MAP_FAILED)
			return 1;
		char name[24];
		snprintf(name, sizeof name, "pair %zu", paired_bytes);
		measure(name, pair, turn, 2);
	}
	for (int count = 1; count <= 256; count *= count == 1 ? 4 : 64) {
		char name[16];
		snprintf(name, sizeof name, "parts %d", count);
		if (make_of_parts(count) >= 0)
			measure(name, shown, turn, 3);
	}
	card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	struct create_dumb asked = {.width = 32, .height = 32, .bpp = 32};
	if (card >= 0 && !ioctl(card, CREATE_DUMB, &asked)) {
		placed.handle = asked.handle;
		if (!ioctl(card, MAP_DUMB, &placed))
			measure("dumb", dumb, turn, 10);
	}
	return 0;
}
