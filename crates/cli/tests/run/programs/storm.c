/* Calls while signals come every 200 us: none fails but with EINTR, nothing leaks, nothing is lost. */
#include "common.h"

static volatile int signals;
static void count(int signal) { (void)signal; signals++; }

static int failed;

/* A call that may be interrupted, but not fail. Returns whether it was done. */
static int done(const char *what, long result) {
	if (result >= 0)
		return 1;
	if (errno != EINTR) {
		failed++;
		say(what, -1);
	}
	return 0;
}

/* Everything else there is, on a fence, a buffer, memory and a timeline. */
static void others(int fence, int buffer, int device, int memory, int timeline) {
	struct merge_data merge = {.name = "both", .fd2 = fence};
	if (done("merge", ioctl(fence, MERGE, &merge)))
		close(merge.fence);
	struct file_info info = {0};
	if (done("info", ioctl(fence, FILE_INFO, &info)) && info.status != 1)
		failed++;
	struct sync_fd in = {.flags = WRITE, .fd = fence};
	done("import", ioctl(buffer, IMPORT, &in));
	done("name", ioctl(buffer, SET_NAME, "frame"));
	struct udmabuf_data whole = {memory, 0, 0, 4096};
	int made = ioctl(device, CREATE, &whole);
	if (done("create", made))
		close(made);
	struct create_fence point = {.value = 1};
	if (done("point", ioctl(timeline, CREATE_FENCE, &point)))
		close(point.fence);
	uint32_t none = 0;
	done("step", ioctl(timeline, INC, &none));
}

int main(int argc, char **argv) {
	int all = argc > 2 && !strcmp(argv[2], "all");
	int flags = argc > 1 && !strcmp(argv[1], "restart") ? SA_RESTART : 0;
	struct sigaction action = {.sa_handler = count, .sa_flags = flags};
	sigaction(SIGALRM, &action, NULL);
	int device = heap(), allocated = 0, interrupted = 0;
	int buffer = allocate(device, 4096), mine = syscall(SYS_memfd_create, "mine", 2);
	int udmabuf = open("/dev/udmabuf", O_RDWR), timeline = open("/dev/sw_sync", O_RDWR);
	if (ftruncate(mine, 4096) || fcntl(mine, 1033, 2))
		die("make memory");
	int before = open_descriptors();
	struct itimerval timer = {{0, 200}, {0, 200}};
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 3000; i++) {
		int fd = try_allocate(device, 4096);
		if (fd >= 0) {
			allocated++;
			if (sync_buffer(fd, RW) && errno != EINTR)
				failed++;
			close(fd);
		} else if (errno == EINTR)
			interrupted++;
		else {
			failed++;
			say("alloc", -1);
		}
		struct sync_fd out = {.flags = RW, .fd = -1};
		if (!ioctl(buffer, EXPORT, &out)) {
			if (!is_ready(out.fd))
				failed++;
			if (all)
				others(out.fd, buffer, udmabuf, mine, timeline);
			close(out.fd);
		} else if (errno != EINTR) {
			failed++;
			say("export", -1);
		}
	}
	memset(&timer, 0, sizeof timer);
	setitimer(ITIMER_REAL, &timer, NULL);
	printf("failed: %d lost: %d leaked: %d signals: %d\n", failed, 3000 - allocated - interrupted - failed,
	       open_descriptors() - before, signals > 100);
	return failed;
}
