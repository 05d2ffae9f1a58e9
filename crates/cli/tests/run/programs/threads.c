/* Random calls from several threads, while another one closes and replaces descriptors and signals come. Only the last line counts. */
#include "common.h"

enum { CALLERS = 4, FIRST = 20, LAST = 60 };
static const unsigned long requests[] = {
	ALLOC, SYNC, SET_NAME, SET_NAME_A, EXPORT, IMPORT, CREATE, CREATE_LIST, MERGE, FILE_INFO, SET_DEADLINE,
	CREATE_FENCE, INC, GET_DEADLINE,
};
static int devices[4]; /* Never closed: the heap, udmabuf, sw_sync, memory. */
static volatile int running = 1;
static long calls;
static uint64_t seed;

static uint64_t next(uint64_t *state) {
	*state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
	return *state;
}

static int any(uint64_t *state) {
	return next(state) % 5 == 0 ? devices[next(state) % 4] : (int)(FIRST + next(state) % (LAST - FIRST));
}

/* New descriptors go where the others look for them. */
static void keep(int fd, uint64_t *state) {
	if (fd < 0)
		return;
	dup2(fd, FIRST + next(state) % (LAST - FIRST));
	close(fd);
}

static void one_call(unsigned char *pages, uint64_t *state) {
	static const uint32_t words[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 4096, 8192, ~0u, 1u << 31};
	for (int j = 0; j < 100; j += 4) {
		uint32_t word = next(state) % 4 ? words[next(state) % (sizeof words / sizeof *words)] : (uint32_t)next(state);
		if (next(state) % 3 == 0)
			word = any(state);
		memcpy(pages + 3996 + j, &word, 4);
	}
	unsigned long request = requests[next(state) % (sizeof requests / sizeof *requests)];
	if (next(state) % 8 == 0)
		request ^= 1ul << next(state) % 32;
	unsigned char *at = pages + 3996 + next(state) % 104;
	/* A fence that is never signaled would be waited for: it is never put into a buffer. */
	if ((request & 0xffff) == (IMPORT & 0xffff))
		memset(pages + 3996, 255, 100);
	ioctl(any(state), request, at);
	size_t length = next(state) % 4 * 4096;
	void *mapped = mmap(0, length, next(state) % 4, MAP_SHARED, any(state), next(state) % 3 * 4096);
	if (mapped != MAP_FAILED)
		munmap(mapped, length);
}

static void good_calls(uint64_t *state) {
	keep(try_allocate(devices[0], 4096 << next(state) % 6), state);
	struct sync_fd out = {.flags = RW};
	if (!ioctl(any(state), EXPORT, &out))
		keep(out.fd, state);
	struct create_fence fence = {.value = next(state)};
	if (!ioctl(devices[2], CREATE_FENCE, &fence))
		keep(fence.fence, state);
	struct udmabuf_data whole = {devices[3], 0, 0, 8192}, part = {devices[3], 0, 4096, 4096};
	keep(ioctl(devices[1], CREATE, &whole), state);
	keep(ioctl(devices[1], CREATE, &part), state);
}

static void *caller(void *number) {
	uint64_t state = seed * 2654435761u + (uint64_t)(uintptr_t)number + 1;
	unsigned char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + 4096, 4096);
	for (long i = 0; i < calls; i++) {
		one_call(pages, &state);
		if (i % 10 == 0)
			good_calls(&state);
		/* What random calls have made and nobody knows. */
		for (int fd = LAST; i % 100 == 99 && fd < 300; fd++)
			close(fd);
	}
	return NULL;
}

static void *closer(void *unused) {
	(void)unused;
	uint64_t state = seed | 1;
	int null = open("/dev/null", O_RDWR);
	while (running) {
		int victim = FIRST + next(&state) % (LAST - FIRST);
		if (next(&state) % 2)
			dup2(next(&state) % 2 ? null : devices[next(&state) % 4], victim);
		else
			close(victim);
		usleep(50);
	}
	return NULL;
}

static void nothing(int signal) { (void)signal; }

int main(int argc, char **argv) {
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	calls = argc > 2 ? atol(argv[2]) : 1000;
	const char *paths[] = {"/dev/dma_heap/system", "/dev/udmabuf", "/dev/sw_sync"};
	for (int i = 0; i < 3; i++)
		if ((devices[i] = open(paths[i], O_RDWR)) < 0)
			die("open a device");
	devices[3] = syscall(SYS_memfd_create, "x", 2);
	ftruncate(devices[3], 8192);
	fcntl(devices[3], 1033, 2);
	struct sigaction action = {.sa_handler = nothing, .sa_flags = seed % 2 ? SA_RESTART : 0};
	sigaction(SIGALRM, &action, NULL);
	struct itimerval timer = {{0, 500}, {0, 500}};
	setitimer(ITIMER_REAL, &timer, NULL);
	pthread_t closing, threads[CALLERS];
	pthread_create(&closing, NULL, closer, NULL);
	for (long i = 0; i < CALLERS; i++)
		pthread_create(&threads[i], NULL, caller, (void *)i);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(threads[i], NULL);
	running = 0;
	pthread_join(closing, NULL);
	memset(&timer, 0, sizeof timer);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int fd = FIRST; fd < 300; fd++)
		close(fd);
	int buffer = allocate(heap(), 4096);
	say("afterwards", sync_buffer(buffer, RW));
	return 0;
}
