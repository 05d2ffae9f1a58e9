/* Every call on /dev/dri/card0 of a driver like vgem, right and wrong: one line each. With an argument: its fences expire, too. */
#include "common.h"

struct version { int32_t major, minor, patch; uint32_t pad; uint64_t name_len; char *name; uint64_t date_len; char *date; uint64_t desc_len; char *desc; };
struct get_cap { uint64_t capability, value; };
struct handle_pad { uint32_t handle, pad; };
struct create_dumb { uint32_t height, width, bpp, flags, handle, pitch; uint64_t size; };
struct map_dumb { uint32_t handle, pad; uint64_t offset; };
struct prime { uint32_t handle, flags; int32_t fd; };
struct attach { uint32_t handle, flags, out_fence, pad; };
struct signal_fence { uint32_t fence, flags; };

#define VERSION _IOWR('d', 0x00, struct version)
#define GEM_CLOSE _IOW('d', 0x09, struct handle_pad)
#define GET_CAP _IOWR('d', 0x0c, struct get_cap)
#define TO_FD _IOWR('d', 0x2d, struct prime)
#define TO_HANDLE _IOWR('d', 0x2e, struct prime)
#define ATTACH _IOWR('d', 0x41, struct attach)
#define SIGNAL _IOW('d', 0x42, struct signal_fence)
#define CREATE_DUMB _IOWR('d', 0xb2, struct create_dumb)
#define MAP_DUMB _IOWR('d', 0xb3, struct map_dumb)
#define DESTROY_DUMB _IOWR('d', 0xb4, uint32_t)

static const char *more_names(void) {
	switch (errno) {
	case EOPNOTSUPP: return "EOPNOTSUPP";
	case ETIMEDOUT: return "ETIMEDOUT";
	case EEXIST: return "EEXIST";
	default: return errno_name();
	}
}

static void tell(const char *what, long result) {
	printf("%s: %s\n", what, result < 0 ? more_names() : "ok");
	fflush(stdout);
}

static const char *path = "/dev/dri/card0";
static int open_card(void) {
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("open the card");
	return fd;
}

static struct create_dumb dumb(int card, uint32_t width, uint32_t height, uint32_t bpp) {
	struct create_dumb data = {.width = width, .height = height, .bpp = bpp};
	if (ioctl(card, CREATE_DUMB, &data))
		die("create a dumb buffer");
	return data;
}

static int to_fd(int card, uint32_t handle, uint32_t flags) {
	struct prime data = {.handle = handle, .flags = flags, .fd = -1};
	return ioctl(card, TO_FD, &data) ? -1 : data.fd;
}

static int to_handle(int card, int fd) {
	struct prime data = {.fd = fd};
	return ioctl(card, TO_HANDLE, &data) ? -1 : (int)data.handle;
}

static int close_handle(int card, uint32_t handle) {
	struct handle_pad data = {handle, 0};
	return ioctl(card, GEM_CLOSE, &data);
}

static char *map(int card, uint32_t handle, size_t size) {
	struct map_dumb data = {.handle = handle};
	if (ioctl(card, MAP_DUMB, &data))
		return MAP_FAILED;
	return mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, card, data.offset);
}

static int attach(int card, uint32_t handle, uint32_t flags) {
	struct attach data = {.handle = handle, .flags = flags};
	return ioctl(card, ATTACH, &data) ? -1 : (int)data.out_fence;
}

static int signal_one(int card, uint32_t fence) {
	struct signal_fence data = {fence, 0};
	return ioctl(card, SIGNAL, &data);
}

static int exported_ready(int fd, uint32_t flags) {
	struct sync_fd out = {.flags = flags};
	if (ioctl(fd, EXPORT, &out))
		return -1;
	int ready = is_ready(out.fd);
	close(out.fd);
	return ready;
}

static void what_it_is(int card) {
	char name[8] = "", date[16] = "", desc[64] = "";
	struct version version = {.name_len = sizeof name - 1, .name = name, .date_len = 0, .date = NULL, .desc_len = 7, .desc = desc};
	tell("version", ioctl(card, VERSION, &version));
	printf("driver: %s, %s, name of %d, description of %d bytes\n", name, desc, (int)version.name_len, (int)version.desc_len);
	version.name = (char *)~0xfffull;
	tell("version bad name", ioctl(card, VERSION, &version));
	tell("version NULL", ioctl(card, VERSION, NULL));
	uint64_t caps[] = {5, 6, 0x13, 0x14, 1, 99};
	for (unsigned i = 0; i < sizeof caps / sizeof *caps; i++) {
		struct get_cap cap = {caps[i], 77};
		int result = ioctl(card, GET_CAP, &cap);
		printf("cap %d: %s %d\n", (int)caps[i], result ? more_names() : "ok", (int)cap.value);
	}
	char anything[256] = {0};
	tell("unknown driver call", ioctl(card, _IOWR('d', 0x5f, struct attach), anything));
	tell("modes", ioctl(card, _IOWR('d', 0xa0, struct version), anything));
}

static void dumbs(int card) {
	struct create_dumb one = dumb(card, 640, 480, 32), two = dumb(card, 3, 5, 12);
	printf("dumb: handle %u pitch %u size %llu\n", one.handle, one.pitch, (unsigned long long)one.size);
	printf("dumb: handle %u pitch %u size %llu\n", two.handle, two.pitch, (unsigned long long)two.size);
	struct create_dumb bad[] = {
		{0, 1, 8}, {1, 0, 8}, {1, 1, 0}, {1, 1, ~0u}, {1, 1u << 30, 32}, {1u << 16, 1u << 16, 8},
	};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		tell("dumb bad", ioctl(card, CREATE_DUMB, &bad[i]));
	tell("dumb NULL", ioctl(card, CREATE_DUMB, NULL));
	char *bytes = map(card, one.handle, one.size), *again = map(card, one.handle, one.size);
	char *other = map(card, two.handle, two.size);
	tell("map", bytes == MAP_FAILED ? -1 : 0);
	tell("map another", other == MAP_FAILED ? -1 : 0);
	printf("zeroed: %d\n", bytes[0] == 0 && bytes[one.size - 1] == 0 && other[0] == 0);
	bytes[5000] = 42;
	other[0] = 7;
	printf("the same: %d, another: %d %d\n", again[5000], other[0], bytes[0]);
	int before = open_descriptors();
	char *third = map(card, one.handle, 4096);
	printf("descriptors left: %d\n", open_descriptors() - before);
	struct map_dumb data = {.handle = one.handle};
	ioctl(card, MAP_DUMB, &data);
	tell("map at an address", mmap(third, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, card, data.offset) == third ? 0 : -1);
	third[0] == 0 ? tell("read there", 0) : tell("read there", -1);
	tell("map too much", mmap(0, one.size + 4096, PROT_READ, MAP_SHARED, card, data.offset) == MAP_FAILED ? -1 : 0);
	tell("map the middle", mmap(0, 4096, PROT_READ, MAP_SHARED, card, data.offset + 4096 * 50) == MAP_FAILED ? -1 : 0);
	tell("map private", mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, card, data.offset) == MAP_FAILED ? -1 : 0);
	int stranger = open_card();
	to_fd(stranger, 1, 0);
	tell("map without a handle", mmap(0, 4096, PROT_READ, MAP_SHARED, stranger, data.offset) == MAP_FAILED ? -1 : 0);
	data.handle = 77;
	tell("map unknown", ioctl(card, MAP_DUMB, &data));
	tell("close", close_handle(card, two.handle));
	tell("close again", close_handle(card, two.handle));
	other[4095] = 8;
	printf("mapping stays: %d %d\n", other[0], other[4095]);
	uint32_t handle = one.handle;
	tell("destroy", ioctl(card, DESTROY_DUMB, &handle));
	tell("destroy again", ioctl(card, DESTROY_DUMB, &handle));
	usleep(100000);
	printf("mapping stays: %d\n", bytes[5000]);
	struct create_dumb three = dumb(card, 8, 8, 8);
	printf("lowest handle: %u\n", three.handle);
	close_handle(card, three.handle);
	close(stranger);
}

static void primes(int card) {
	struct create_dumb one = dumb(card, 64, 64, 32);
	int fd = to_fd(card, one.handle, O_CLOEXEC | O_RDWR);
	tell("export", fd);
	printf("export cloexec: %d, size: %ld\n", fcntl(fd, F_GETFD), (long)lseek(fd, 0, SEEK_END));
	printf("same handle: %d\n", to_handle(card, fd) == (int)one.handle);
	char *bytes = map(card, one.handle, one.size), *shared = mmap(0, one.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bytes[99] = 3;
	printf("same memory: %d\n", shared[99]);
	tell("sync", sync_buffer(fd, RW));
	tell("sync end", sync_buffer(fd, RW | END));
	tell("export unknown", to_fd(card, 99, 0));
	tell("export bad flags", to_fd(card, one.handle, O_APPEND));
	tell("export read-only", to_fd(card, one.handle, 0));
	tell("import nothing", to_handle(card, -1));
	tell("import stdin", to_handle(card, 0));
	int other = open_card(), theirs = to_handle(other, fd);
	printf("in another card: handle %d\n", theirs);
	char *through = map(other, theirs, one.size);
	tell("map there", through == MAP_FAILED ? -1 : 0);
	printf("same memory: %d\n", through[99]);
	tell("close here", close_handle(card, one.handle));
	close(fd);
	usleep(100000);
	fd = to_fd(other, theirs, O_CLOEXEC | O_RDWR);
	tell("export there", fd);
	tell("sync there", sync_buffer(fd, READ));
	printf("handle here: %d\n", to_handle(card, fd));
	close(other);
	close_handle(card, to_handle(card, fd));
	usleep(100000);
	tell("sync when all cards have closed it", sync_buffer(fd, READ));
	printf("contents stay: %d\n", shared[99]);
}

static void heaps(int card) {
	int fd = allocate(open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC), 8192);
	int handle = to_handle(card, fd);
	tell("import of a heap", handle);
	printf("same handle: %d\n", to_handle(card, fd) == handle);
	struct map_dumb data = {.handle = handle};
	tell("map of a heap", ioctl(card, MAP_DUMB, &data));
	char *bytes = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bytes[5] = 55;
	munmap(bytes, 8192);
	close(fd);
	usleep(100000);
	fd = to_fd(card, handle, O_RDWR | O_CLOEXEC);
	tell("export of a heap", fd);
	bytes = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	printf("contents: %d\n", bytes[5]);
	tell("sync of a heap", sync_buffer(fd, READ));
	tell("close of a heap", close_handle(card, handle));
}

static void fences(int card) {
	struct create_dumb one = dumb(card, 64, 64, 32);
	int fd = to_fd(card, one.handle, O_CLOEXEC | O_RDWR);
	struct attach data = {.handle = one.handle, .flags = 2};
	tell("attach bad flag", ioctl(card, ATTACH, &data));
	data = (struct attach){.handle = one.handle, .pad = 1};
	tell("attach bad pad", ioctl(card, ATTACH, &data));
	tell("attach to nothing", attach(card, 99, 0));
	int fence = attach(card, one.handle, 1);
	printf("fence %d\n", fence);
	tell("attach a writer while one writes", attach(card, one.handle, 1));
	tell("attach a reader while one writes", attach(card, one.handle, 0));
	printf("ready to read: %d, to write: %d\n", exported_ready(fd, READ), exported_ready(fd, WRITE));
	struct signal_fence bad = {fence, 1};
	tell("signal bad flags", ioctl(card, SIGNAL, &bad));
	tell("signal", signal_one(card, fence));
	tell("signal again", signal_one(card, fence));
	tell("signal nothing", signal_one(card, 99));
	printf("ready to read: %d, to write: %d\n", exported_ready(fd, READ), exported_ready(fd, WRITE));
	int reader = attach(card, one.handle, 0), second = attach(card, one.handle, 0);
	printf("readers %d %d\n", reader, second);
	printf("ready to read: %d, to write: %d\n", exported_ready(fd, READ), exported_ready(fd, WRITE));
	tell("attach a writer while some read", attach(card, one.handle, 1));
	tell("sync of a reader", sync_buffer(fd, READ));
	struct sync_fd out = {.flags = WRITE};
	ioctl(fd, EXPORT, &out);
	struct fence_info infos[2];
	struct file_info info = {.num_fences = 2, .infos = (uintptr_t)infos};
	tell("info", ioctl(out.fd, FILE_INFO, &info));
	printf("fences %u of %s, %s\n", info.num_fences, infos[0].driver_name, infos[0].obj_name);
	int child = fork();
	if (!child) {
		usleep(150000);
		signal_one(card, reader);
		signal_one(card, second);
		_exit(0);
	}
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	tell("sync of a writer", sync_buffer(fd, WRITE));
	clock_gettime(CLOCK_MONOTONIC, &after);
	printf("waited: %d\n", (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 100);
	waitpid(child, NULL, 0);
	printf("signaled: %d\n", is_ready(out.fd));
	int other = open_card(), theirs = to_handle(other, fd);
	attach(other, theirs, 1);
	printf("ready: %d\n", exported_ready(fd, READ));
	close(other);
	tell("sync after the card was closed", sync_buffer(fd, READ));
}

static void expiry(int card) {
	struct create_dumb one = dumb(card, 64, 64, 32);
	int fd = to_fd(card, one.handle, O_CLOEXEC | O_RDWR), fence = attach(card, one.handle, 1);
	time_t before = time(NULL);
	tell("sync of a fence that nobody signals", sync_buffer(fd, READ));
	long waited = time(NULL) - before;
	printf("expired in time: %d\n", waited >= 8 && waited <= 60);
	tell("signal what has expired", signal_one(card, fence));
	tell("signal it again", signal_one(card, fence));
}

static volatile int ticks, stop;
static void tick(int number) { (void)number; ticks++; }

static void *mapper(void *unused) {
	(void)unused;
	int card = open_card();
	struct create_dumb one = dumb(card, 64, 64, 32);
	for (int i = 0; i < 100; i++) {
		char *bytes = map(card, one.handle, one.size);
		if (bytes == MAP_FAILED)
			return "map";
		if (bytes[0] != (char)i)
			return "contents";
		bytes[0]++;
		munmap(bytes, one.size);
	}
	close(card);
	return NULL;
}

/* Maps from several threads while signals rain. */
static void storm(void) {
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &action, NULL);
	struct itimerval timer = {{0, 2000}, {0, 2000}}, off = {{0}};
	setitimer(ITIMER_REAL, &timer, NULL);
	int before = open_descriptors();
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, mapper, NULL);
	for (int i = 0; i < 3; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		printf("mapper: %s\n", failed ? (char *)failed : "ok");
	}
	setitimer(ITIMER_REAL, &off, NULL);
	printf("descriptors left: %d, signals: %d\n", open_descriptors() - before, ticks > 0);
}

int main(int argc, char **argv) {
	int card = open_card();
	what_it_is(card);
	dumbs(card);
	primes(card);
	fences(card);
	heaps(card);
	storm();
	if (argc > 1)
		expiry(card);
	return 0;
}
