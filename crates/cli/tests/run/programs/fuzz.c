/* Random calls with random arguments on everything that is open. */
#include "common.h"

static uint64_t state;
static uint64_t next(void) {
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state;
}

/* Whatever of it can be mapped is, for a moment. */
static void map_some(int fd) {
	static const int kinds[] = {0, MAP_SHARED, MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE};
	static const int more[] = {MAP_POPULATE, MAP_NORESERVE, MAP_LOCKED, 0x40, MAP_HUGETLB, MAP_GROWSDOWN, MAP_SYNC};
	int flags = kinds[next() % 5];
	if (next() % 2)
		flags |= more[next() % 7];
	size_t length = next() % 16 ? next() % 6 * 2048 : next();
	char *mapped = mmap(0, length, next() % 4, flags, fd, next() % 4 * 4096);
	if (mapped != MAP_FAILED)
		munmap(mapped, length);
}

int main(int argc, char **argv) {
	state = argc > 1 ? strtoull(argv[1], NULL, 0) | 1 : 1;
	long calls = argc > 2 ? atol(argv[2]) : 20000;
	static const unsigned long requests[] = {
		ALLOC, SYNC, SET_NAME, SET_NAME_A, EXPORT, IMPORT, CREATE, CREATE_LIST, MERGE, FILE_INFO, SET_DEADLINE,
		CREATE_FENCE, INC, GET_DEADLINE,
	};
	unsigned char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + 4096, 4096);
	int first = heap();
	int udmabuf = open("/dev/udmabuf", O_RDWR);
	open("/dev/sw_sync", O_RDWR);
	int memory = syscall(SYS_memfd_create, "x", 2);
	ftruncate(memory, 8192);
	fcntl(memory, 1033, 2);
	printf("first: %d\n", first);
	fflush(stdout);
	int answers[200] = {0};
	for (long i = 0; i < calls; i++) {
		for (int j = 0; j < 100; j += 4) {
			static const uint32_t words[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 4096, 8192, ~0u, 1u << 31};
			uint32_t word = next() % 4 ? words[next() % (sizeof words / sizeof *words)] : (uint32_t)next();
			memcpy(pages + 3996 + j, &word, 4);
		}
		unsigned long request = requests[next() % (sizeof requests / sizeof *requests)];
		if (next() % 8 == 0)
			request ^= 1ul << next() % 32;
		if (next() % 64 == 0)
			request |= next() << 32;
		unsigned char *at = pages + 3996 + next() % 104;
		if (next() % 32 == 0)
			at = (unsigned char *)next();
		/* A fence that is never signaled would be waited for: it is never put into a buffer. */
		if ((request & 0xffff) == (IMPORT & 0xffff))
			memset(pages + 3996, 255, 100);
		int fd = first + next() % 24;
		int result = ioctl(fd, request, at);
		answers[result < 0 ? errno % 200 : 0]++;
		if (result < 0 && errno == ENOSYS)
			return 1;
		if (next() % 4 == 0)
			map_some(fd);
		/* Now and then everything but the devices is closed, and some good ones are made. */
		if (i % 50 == 49) {
			for (int old = memory + 1; old < 200; old++)
				close(old);
			for (int made = 0; made < 6; made++) {
				int buffer = try_allocate(first, 4096);
				struct sync_fd out = {.flags = RW};
				ioctl(buffer, EXPORT, &out);
				struct create_fence fence = {.value = next()};
				ioctl(memory - 1, CREATE_FENCE, &fence);
				struct udmabuf_data part = {memory, 1, 4096, 4096};
				ioctl(udmabuf, CREATE, &part);
			}
		}
	}
	for (int i = 0; i < 200; i++)
		if (answers[i])
			fprintf(stderr, "%s: %d\n", i ? strerror(i) : "ok", answers[i]);
	say("afterwards", try_allocate(heap(), 4096));
	return 0;
}
