/* Every call, right and wrong: one line each. What a kernel answers to the same is in tests/run/surface.txt. */
#include "common.h"

static void heaps(void) {
	int fd = heap();
	struct alloc_data data = {.len = 5000, .fd_flags = O_RDWR | O_CLOEXEC};
	say("alloc", ioctl(fd, ALLOC, &data));
	struct stat status;
	fstat(data.fd, &status);
	printf("alloc size: %ld\n", (long)status.st_size);
	printf("alloc cloexec: %d\n", fcntl(data.fd, F_GETFD) & FD_CLOEXEC);
	say("alloc fd not 0", ioctl(fd, ALLOC, &data));
	struct alloc_data plain = {.len = 1, .fd_flags = O_RDONLY};
	say("alloc read-only", ioctl(fd, ALLOC, &plain));
	printf("alloc read-only mode: %d cloexec: %d\n", fcntl(plain.fd, F_GETFL) & O_ACCMODE, fcntl(plain.fd, F_GETFD));
	say("map read-only for writing", mmap(0, 4096, PROT_WRITE, MAP_SHARED, plain.fd, 0) == MAP_FAILED ? -1 : 0);
	struct alloc_data none = {.len = 0};
	say("alloc 0", ioctl(fd, ALLOC, &none));
	struct alloc_data wrap = {.len = UINT64_MAX};
	say("alloc -1", ioctl(fd, ALLOC, &wrap));
	struct alloc_data huge = {.len = 1ull << 40};
	say("alloc 1 TiB", ioctl(fd, ALLOC, &huge));
	struct alloc_data flags = {.len = 1, .fd_flags = O_APPEND};
	say("alloc bad fd_flags", ioctl(fd, ALLOC, &flags));
	struct alloc_data heap_flags = {.len = 1, .heap_flags = 1};
	say("alloc bad heap_flags", ioctl(fd, ALLOC, &heap_flags));
	say("alloc NULL", ioctl(fd, ALLOC, NULL));
	say("alloc high pointer", ioctl(fd, ALLOC, (void *)~0xfffull));
	struct alloc_data *constant = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*constant = (struct alloc_data){.len = 1};
	mprotect(constant, 4096, PROT_READ);
	int before = open_descriptors();
	say("alloc into read-only memory", ioctl(fd, ALLOC, constant));
	printf("descriptors left: %d\n", open_descriptors() - before);
	char longer[64] = {0};
	((struct alloc_data *)longer)->len = 1;
	say("alloc newer", ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'H', 0, 64), longer));
	struct { uint64_t len; uint32_t fd, fd_flags; } shorter = {1, 0, O_RDWR};
	say("alloc older", ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'H', 0, 16), &shorter));
	printf("alloc older fd: %d\n", shorter.fd > 2);
	say("sync on a heap", sync_buffer(fd, RW));
	say("alloc on a buffer", ioctl(data.fd, ALLOC, &plain));
	say("alloc on stdin", ioctl(0, ALLOC, &plain));
	say("alloc on nothing", ioctl(9999, ALLOC, &plain));
	say("alloc on -1", ioctl(-1, ALLOC, &plain));
}

static void brackets(int fd) {
	for (int flags = 0; flags <= 8; flags++) {
		char what[32];
		snprintf(what, sizeof what, "sync %d", flags);
		say(what, sync_buffer(fd, flags));
	}
	say("sync 1 << 32", sync_buffer(fd, (1ull << 32) | RW));
	say("sync NULL", ioctl(fd, SYNC, NULL));
	say("sync of another size", ioctl(fd, _IOW('b', 0, char[16]), "0123456789abcdef"));
	int copy = dup(fd);
	say("sync on a copy", sync_buffer(copy, RW));
	say("name", ioctl(fd, SET_NAME, "frame"));
	say("name 31", ioctl(fd, SET_NAME, "1234567890123456789012345678901"));
	say("name 32", ioctl(fd, SET_NAME, "12345678901234567890123456789012"));
	say("name A", ioctl(fd, SET_NAME_A, "frame"));
	say("name NULL", ioctl(fd, SET_NAME, NULL));
	char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + 4096, 4096);
	memcpy(pages + 4096 - 6, "frame", 6);
	say("name before a hole", ioctl(fd, SET_NAME, pages + 4096 - 6));
	memset(pages + 4096 - 6, 'x', 6);
	say("name into a hole", ioctl(fd, SET_NAME, pages + 4096 - 6));
}

static void fences(int fd) {
	struct sync_fd out = {.flags = READ, .fd = 77};
	say("export", ioctl(fd, EXPORT, &out));
	printf("export cloexec: %d ready: %d\n", fcntl(out.fd, F_GETFD), is_ready(out.fd));
	for (int flags = 0; flags <= 4; flags += 4) {
		struct sync_fd bad = {.flags = flags};
		say("export bad flags", ioctl(fd, EXPORT, &bad));
		struct sync_fd bad_import = {.flags = flags, .fd = out.fd};
		say("import bad flags", ioctl(fd, IMPORT, &bad_import));
	}
	say("export NULL", ioctl(fd, EXPORT, NULL));
	say("import NULL", ioctl(fd, IMPORT, NULL));
	struct sync_fd in = {.flags = WRITE, .fd = out.fd};
	say("import", ioctl(fd, IMPORT, &in));
	in.fd = fd;
	say("import a buffer", ioctl(fd, IMPORT, &in));
	in.fd = -1;
	say("import nothing", ioctl(fd, IMPORT, &in));
	struct file_info info = {0};
	say("info", ioctl(out.fd, FILE_INFO, &info));
	printf("info count: %u status: %d\n", info.num_fences, info.status);
	struct fence_info one = {.status = 77};
	info.infos = (uintptr_t)&one;
	say("info of one", ioctl(out.fd, FILE_INFO, &info));
	printf("info of one: status %d driver %s\n", one.status, one.driver_name);
	info.infos = 0;
	say("info to NULL", ioctl(out.fd, FILE_INFO, &info));
	info.flags = 1;
	say("info flags", ioctl(out.fd, FILE_INFO, &info));
	info.flags = 0, info.pad = 1;
	say("info pad", ioctl(out.fd, FILE_INFO, &info));
	say("info NULL", ioctl(out.fd, FILE_INFO, NULL));
	struct merge_data merge = {.name = "both", .fd2 = out.fd};
	say("merge", ioctl(out.fd, MERGE, &merge));
	struct file_info merged = {0};
	ioctl(merge.fence, FILE_INFO, &merged);
	printf("merged: %s ready: %d\n", merged.name, is_ready(merge.fence));
	merge.fd2 = fd;
	say("merge a buffer", ioctl(out.fd, MERGE, &merge));
	merge.fd2 = out.fd, merge.flags = 1;
	say("merge flags", ioctl(out.fd, MERGE, &merge));
	merge.flags = 0, merge.pad = 1;
	say("merge pad", ioctl(out.fd, MERGE, &merge));
	say("merge NULL", ioctl(out.fd, MERGE, NULL));
	struct deadline_data deadline = {1, 0};
	say("deadline", ioctl(out.fd, SET_DEADLINE, &deadline));
	deadline.pad = 1;
	say("deadline pad", ioctl(out.fd, SET_DEADLINE, &deadline));
	say("sync on a fence", sync_buffer(out.fd, RW));
	say("merge on a buffer", ioctl(fd, MERGE, &merge));
}

static int memory(uint64_t size, int seals) {
	int fd = syscall(SYS_memfd_create, "mine", 2);
	if (ftruncate(fd, size) || fcntl(fd, 1033, seals))
		die("make memory");
	return fd;
}

static void udmabufs(void) {
	int device = open("/dev/udmabuf", O_RDONLY);
	int good = memory(8192, 2);
	struct udmabuf_data data = {good, 0, 0, 8192};
	int buffer = ioctl(device, CREATE, &data);
	say("udmabuf", buffer);
	printf("udmabuf cloexec: %d\n", fcntl(buffer, F_GETFD));
	say("udmabuf end first", sync_buffer(buffer, RW | END));
	say("udmabuf start", sync_buffer(buffer, RW));
	say("udmabuf end", sync_buffer(buffer, RW | END));
	char *mine = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, good, 0);
	char *shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	mine[5000] = 42;
	printf("udmabuf is the same memory: %d\n", shared[5000] == 42);
	data.flags = 1;
	printf("udmabuf flagged cloexec: %d\n", fcntl(ioctl(device, CREATE, &data), F_GETFD));
	struct { const char *what; struct udmabuf_data data; } bad[] = {
		{"udmabuf offset", {good, 0, 1, 4096}}, {"udmabuf size", {good, 0, 0, 4097}},
		{"udmabuf empty", {good, 0, 0, 0}}, {"udmabuf too large", {good, 0, 0, 16384}},
		{"udmabuf above the limit", {good, 0, 0, 65 << 20}}, {"udmabuf no fd", {-1, 0, 0, 4096}},
		{"udmabuf of stdin", {0, 0, 0, 4096}}, {"udmabuf unsealed", {memory(4096, 4), 0, 0, 4096}},
		{"udmabuf write-sealed", {memory(4096, 2 | 8), 0, 0, 4096}},
	};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		say(bad[i].what, ioctl(device, CREATE, &bad[i].data));
	say("udmabuf NULL", ioctl(device, CREATE, NULL));
	struct { uint32_t flags, count; } list = {0, 1025};
	say("udmabuf long list", ioctl(device, CREATE_LIST, &list));
	say("udmabuf list NULL", ioctl(device, CREATE_LIST, NULL));
	say("alloc on udmabuf", ioctl(device, ALLOC, &data));
}

int main(void) {
	int fd = allocate(heap(), 8192);
	char *bytes = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	printf("zeroed: %d\n", bytes[0] == 0 && bytes[8191] == 0);
	heaps();
	brackets(fd);
	fences(fd);
	udmabufs();
	return 0;
}
