/* What the programs of these tests have in common. They know nothing of Wharf. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/types.h>

struct alloc_data { uint64_t len; uint32_t fd; uint32_t fd_flags; uint64_t heap_flags; };
struct sync_data { uint64_t flags; };
struct sync_fd { uint32_t flags; int32_t fd; };
struct udmabuf_data { uint32_t memfd; uint32_t flags; uint64_t offset; uint64_t size; };
struct merge_data { char name[32]; int32_t fd2; int32_t fence; uint32_t flags; uint32_t pad; };
struct fence_info { char obj_name[32]; char driver_name[32]; int32_t status; uint32_t flags; uint64_t timestamp_ns; };
struct file_info { char name[32]; int32_t status; uint32_t flags; uint32_t num_fences; uint32_t pad; uint64_t infos; };
struct deadline_data { uint64_t deadline_ns; uint64_t pad; };
struct create_fence { uint32_t value; char name[32]; int32_t fence; };
struct get_deadline { uint64_t deadline_ns; uint32_t pad; int32_t fence_fd; };

#define ALLOC _IOWR('H', 0, struct alloc_data)
#define SYNC _IOW('b', 0, struct sync_data)
#define SET_NAME _IOW('b', 1, uint64_t)
#define SET_NAME_A _IOW('b', 1, uint32_t)
#define EXPORT _IOWR('b', 2, struct sync_fd)
#define IMPORT _IOW('b', 3, struct sync_fd)
#define CREATE _IOW('u', 0x42, struct udmabuf_data)
#define CREATE_LIST _IOW('u', 0x43, struct sync_data)
#define MERGE _IOWR('>', 3, struct merge_data)
#define FILE_INFO _IOWR('>', 4, struct file_info)
#define SET_DEADLINE _IOW('>', 5, struct deadline_data)
#define CREATE_FENCE _IOWR('W', 0, struct create_fence)
#define INC _IOW('W', 1, uint32_t)
#define GET_DEADLINE _IOWR('W', 2, struct get_deadline)
enum { READ = 1, WRITE = 2, RW = 3, END = 4 };

static const char *errno_name(void) {
	static const struct { int number; const char *name; } names[] = {
		{EINVAL, "EINVAL"}, {EFAULT, "EFAULT"}, {EBADF, "EBADF"}, {ENOMEM, "ENOMEM"}, {EMFILE, "EMFILE"},
		{ENOTTY, "ENOTTY"}, {ENOENT, "ENOENT"}, {EINTR, "EINTR"}, {EBADFD, "EBADFD"}, {EPERM, "EPERM"},
		{EBUSY, "EBUSY"}, {ENOSYS, "ENOSYS"}, {EACCES, "EACCES"},
	};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == errno)
			return names[i].name;
	return strerror(errno);
}

/* Says how a call ended. */
static void say(const char *what, long result) {
	if (result < 0)
		printf("%s: %s\n", what, errno_name());
	else
		printf("%s: ok\n", what);
	fflush(stdout);
}

static void die(const char *what) {
	printf("cannot %s: %s\n", what, errno_name());
	exit(99);
}

static int heap(void) {
	int fd = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open the heap");
	return fd;
}

static int try_allocate(int heap, uint64_t length) {
	struct alloc_data data = {.len = length, .fd_flags = O_RDWR | O_CLOEXEC};
	return ioctl(heap, ALLOC, &data) ? -1 : (int)data.fd;
}

static int allocate(int heap, uint64_t length) {
	int fd;
	do
		fd = try_allocate(heap, length);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		die("allocate");
	return fd;
}

static int sync_buffer(int fd, uint64_t flags) {
	struct sync_data data = {flags};
	return ioctl(fd, SYNC, &data);
}

static int is_ready(int fd) {
	struct pollfd ready = {fd, POLLIN, 0};
	return poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN);
}

static int open_descriptors(void) {
	int count = 0;
	for (int fd = 0; fd < 20000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

__attribute__((unused)) static void *unused[] = {say, heap, allocate, sync_buffer, is_ready, open_descriptors};
