/* The CPU and a device (the card) take turns at a buffer, with and without the right brackets: each case tells what both see. */
#include "common.h"

struct create_dumb { uint32_t height, width, bpp, flags, handle, pitch; uint64_t size; };
struct map_dumb { uint32_t handle, pad; uint64_t offset; };
struct prime { uint32_t handle, flags; int32_t fd; };
struct attach { uint32_t handle, flags, out_fence, pad; };
struct signal_fence { uint32_t fence, flags; };
enum { SIZE = 16384 };

/* A buffer: what the device sees of it, and what the CPU sees. */
struct buffer { volatile unsigned char *device, *cpu; int fd; uint32_t handle; };
static int card;

static volatile unsigned char *map(int fd, uint64_t place) {
	void *at = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, place);
	if (at == MAP_FAILED)
		die("map");
	return at;
}

static uint64_t place_of(uint32_t handle) {
	struct map_dumb place = {.handle = handle};
	if (ioctl(card, _IOWR('d', 0xb3, struct map_dumb), &place))
		die("find the place");
	return place.offset;
}

static struct buffer make(void) {
	struct create_dumb dumb = {.width = SIZE, .height = 1, .bpp = 8};
	if (ioctl(card, _IOWR('d', 0xb2, struct create_dumb), &dumb))
		die("create");
	struct prime prime = {dumb.handle, O_RDWR | O_CLOEXEC, -1};
	if (ioctl(card, _IOWR('d', 0x2d, struct prime), &prime))
		die("export");
	return (struct buffer){map(card, place_of(dumb.handle)), map(prime.fd, 0), prime.fd, dumb.handle};
}

static void sync_or_die(int fd, uint64_t flags) {
	if (sync_buffer(fd, flags))
		die("sync");
}

static void see(const char *who, int value) { printf("%s sees %d\n", who, value); }

/* The CPU writes, the device reads and writes back one more, the CPU reads. */
static void right(struct buffer b) {
	for (int i = 1; i <= 3; i++) {
		sync_or_die(b.fd, WRITE);
		memset((void *)b.cpu, i, SIZE);
		sync_or_die(b.fd, WRITE | END);
		see("device", b.device[SIZE - 1]);
		for (int at = 0; at < SIZE; at++)
			b.device[at]++;
		sync_or_die(b.fd, READ);
		see("cpu", b.cpu[SIZE - 1]);
		sync_or_die(b.fd, READ | END);
	}
}

/* The device doubles everything in place, and the CPU draws the same again. */
static void again(struct buffer b) {
	for (int i = 0; i < 3; i++) {
		sync_or_die(b.fd, WRITE);
		memset((void *)b.cpu, 5, SIZE);
		sync_or_die(b.fd, WRITE | END);
		see("device", b.device[77]);
		for (int at = 0; at < SIZE; at++)
			b.device[at] *= 2;
	}
	sync_or_die(b.fd, READ);
	see("cpu", b.cpu[77]);
	sync_or_die(b.fd, READ | END);
}

static void no_start(struct buffer b) {
	sync_or_die(b.fd, RW);
	b.cpu[100] = 1;
	sync_or_die(b.fd, RW | END);
	b.device[100] = 2;
	see("cpu", b.cpu[100]);
}

static void no_end(struct buffer b) {
	sync_or_die(b.fd, WRITE);
	b.cpu[100] = 1;
	see("device", b.device[100]);
}

static void none(struct buffer b) {
	b.cpu[100] = 1;
	see("device", b.device[100]);
	sync_or_die(b.fd, RW);
	see("cpu", b.cpu[100]);
	sync_or_die(b.fd, RW | END);
}

static void read_only(struct buffer b) {
	sync_or_die(b.fd, READ);
	memset((void *)b.cpu + 64, 3, 128);
	sync_or_die(b.fd, READ | END);
	see("device", b.device[64]);
	sync_or_die(b.fd, READ);
	see("cpu", b.cpu[64]);
	sync_or_die(b.fd, READ | END);
}

static void write_only(struct buffer b) {
	b.device[4096] = 9;
	sync_or_die(b.fd, WRITE);
	printf("cpu sees the device's: %d\n", b.cpu[4096] == 9);
	sync_or_die(b.fd, WRITE | END);
	see("cpu", b.cpu[4096]);
	see("device", b.device[4096]);
}

static void mispaired(struct buffer b) {
	sync_or_die(b.fd, WRITE | END);
	sync_or_die(b.fd, RW);
	b.cpu[0] = 1;
	sync_or_die(b.fd, RW);
	see("cpu", b.cpu[0]);
	b.cpu[0] = 2;
	sync_or_die(b.fd, READ | END);
	see("device", b.device[0]);
}

static void meanwhile(struct buffer b) {
	sync_or_die(b.fd, RW);
	b.cpu[0] = 1;
	b.device[64] = 2;
	sync_or_die(b.fd, RW | END);
	see("device", b.device[0]);
	see("device", b.device[64]);
	sync_or_die(b.fd, READ);
	see("cpu", b.cpu[64]);
	sync_or_die(b.fd, READ | END);
}

static void *reader(void *buffer) {
	struct buffer *b = buffer;
	for (int i = 0; i < 100; i++) {
		sync_or_die(b->fd, READ);
		if (b->cpu[8] != 6)
			return "stale";
		sync_or_die(b->fd, READ | END);
	}
	return NULL;
}

/* Threads and a child read at the same time; all have one cache. */
static void many(struct buffer b) {
	b.device[8] = 6;
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, reader, &b);
	int child = fork(), status = 0;
	if (!child)
		_exit(reader(&b) ? 1 : 0);
	for (int i = 0; i < 3; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		printf("reader: %s\n", failed ? (char *)failed : "ok");
	}
	waitpid(child, &status, 0);
	printf("child: %d\n", status);
	child = fork();
	if (!child) {
		sync_or_die(b.fd, WRITE);
		b.cpu[8] = 7;
		sync_or_die(b.fd, WRITE | END);
		_exit(0);
	}
	waitpid(child, &status, 0);
	see("device", b.device[8]);
	see("cpu", b.cpu[8]);
}

static void two(struct buffer b) {
	struct buffer other = make();
	static const char *name = "the wrong one";
	ioctl(other.fd, SET_NAME, name);
	sync_or_die(b.fd, RW);
	other.cpu[0] = b.cpu[0] = 1;
	sync_or_die(b.fd, RW | END);
	see("device", b.device[0]);
	see("device", other.device[0]);
}

/* A buffer of a heap, imported into the card, which a program can play the device on. */
static void of_heap(struct buffer unused) {
	(void)unused;
	int fd = allocate(heap(), SIZE);
	struct prime prime = {0, 0, fd};
	if (ioctl(card, _IOWR('d', 0x2e, struct prime), &prime))
		die("import");
	volatile unsigned char *cpu = map(fd, 0), *device = map(card, place_of(prime.handle));
	device[5] = 1;
	see("cpu", cpu[5]);
	sync_or_die(fd, READ);
	see("cpu", cpu[5]);
	sync_or_die(fd, READ | END);
	/* What the device has mapped stays when all else is closed. */
	close(fd);
	munmap((void *)cpu, SIZE);
	ioctl(card, _IOW('d', 9, uint64_t), &(uint64_t){prime.handle});
	usleep(100000);
	see("device", device[5]);
}

static void *finish(void *argument) {
	struct buffer *b = argument;
	usleep(100000);
	b->device[0] = 4;
	struct signal_fence fence = {1, 0};
	ioctl(card, _IOW('d', 0x42, struct signal_fence), &fence);
	return NULL;
}

/* The device says by a fence when it has written. */
static void fenced(struct buffer b) {
	struct attach attach = {b.handle, 1, 0, 0};
	if (ioctl(card, _IOWR('d', 0x41, struct attach), &attach))
		die("attach");
	pthread_t thread;
	pthread_create(&thread, NULL, finish, &b);
	sync_or_die(b.fd, READ);
	see("cpu", b.cpu[0]);
	sync_or_die(b.fd, READ | END);
	pthread_join(thread, NULL);
}

static void bounded(struct buffer b) {
	for (int i = 0; i < 130; i++) {
		struct buffer one = make();
		one.cpu[0] = 1;
		munmap((void *)one.cpu, SIZE);
		munmap((void *)one.device, SIZE);
		close(one.fd);
	}
	for (int i = 0; i < 1000; i++) {
		b.cpu[0]++;
		sync_or_die(b.fd, RW);
		sync_or_die(b.fd, RW | END);
	}
}

static void killed(struct buffer b) {
	no_end(b);
	fflush(stdout);
	raise(SIGKILL);
}

static void fails(struct buffer b) {
	no_end(b);
	exit(7);
}

/* What is closed is looked at before it is forgotten. */
static void closed(struct buffer b) {
	b.cpu[3] = 1;
	munmap((void *)b.cpu, SIZE);
	munmap((void *)b.device, SIZE);
	close(b.fd);
	ioctl(card, _IOW('d', 9, uint64_t), &(uint64_t){b.handle});
	usleep(200000);
}

/* Waits until it is told to go on. */
static void waits(struct buffer b) {
	printf("ready %d\n", getpid());
	fflush(stdout);
	getchar();
	/* A call that is received by who dies fails with EINTR. */
	while (sync_buffer(b.fd, RW) && errno == EINTR)
		;
	sync_or_die(b.fd, RW | END);
}

int main(int argc, char **argv) {
	const char *name = argc > 1 ? argv[1] : "no_end";
	static const struct { const char *name; void (*run)(struct buffer); } cases[] = {
		{"right", right}, {"again", again}, {"no_start", no_start}, {"no_end", no_end}, {"none", none}, {"read_only", read_only},
		{"write_only", write_only}, {"mispaired", mispaired}, {"meanwhile", meanwhile}, {"many", many}, {"two", two}, {"of_heap", of_heap},
		{"fenced", fenced}, {"bounded", bounded}, {"killed", killed}, {"fails", fails}, {"closed", closed}, {"waits", waits},
	};
	card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	if (card < 0)
		die("open the card");
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		if (!strcmp(cases[i].name, name)) {
			cases[i].run(make());
			return 0;
		}
	return 3;
}
