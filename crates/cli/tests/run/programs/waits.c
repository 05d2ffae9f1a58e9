/* Timelines, and calls and polls that wait for fences. */
#include "common.h"
#include <sys/epoll.h>

static int point(int timeline, uint32_t value) {
	struct create_fence data = {.value = value, .fence = -1};
	if (ioctl(timeline, CREATE_FENCE, &data))
		die("make a fence");
	return data.fence;
}

static void advance(int timeline, uint32_t by) {
	if (ioctl(timeline, INC, &by))
		die("move a timeline");
}

static int status(int fence) {
	struct file_info info = {0};
	if (ioctl(fence, FILE_INFO, &info))
		die("ask");
	return info.status;
}

static int merge(int a, int b) {
	struct merge_data data = {.name = "merged", .fd2 = b};
	if (ioctl(a, MERGE, &data))
		die("merge");
	return data.fence;
}

static int count(int fence) {
	struct file_info info = {0};
	ioctl(fence, FILE_INFO, &info);
	return info.num_fences;
}

static double seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int timeline;
static void *later(void *unused) {
	(void)unused;
	usleep(150000);
	advance(timeline, 1);
	return NULL;
}
static void interrupt(int signal) { (void)signal; }

int main(int argc, char **argv) {
	const char *path = argc > 1 ? argv[1] : "/dev/sw_sync";
	timeline = open(path, O_RDWR | O_CLOEXEC);
	if (timeline < 0)
		die("open a timeline");
	int one = point(timeline, 1), five = point(timeline, 5), now = point(timeline, 0);
	printf("cloexec: %d %d\n", fcntl(timeline, F_GETFD), fcntl(one, F_GETFD));
	printf("at 0: %d %d %d, ready %d %d %d\n", status(one), status(five), status(now), is_ready(one), is_ready(five), is_ready(now));
	advance(timeline, 1);
	printf("at 1: %d %d, ready %d %d\n", status(one), status(five), is_ready(one), is_ready(five));
	int both = merge(one, five), same = merge(point(timeline, 6), five);
	printf("merged: %d of 1, %d of 1\n", count(both), count(same));
	struct fence_info infos[1];
	struct file_info info = {.num_fences = 1, .infos = (uintptr_t)infos};
	ioctl(five, FILE_INFO, &info);
	printf("driver: %s timeline: %s\n", infos[0].driver_name, infos[0].obj_name);
	advance(timeline, 4);
	printf("at 5: both %d same %d\n", status(both), status(same));
	advance(timeline, UINT32_MAX - 10);
	int wrapped = point(timeline, 3);
	printf("before the end of 32 bits: %d\n", status(wrapped));
	advance(timeline, 20);
	printf("after it: %d\n", status(wrapped));

	int other = open(path, O_RDWR), left = point(other, 1);
	printf("another timeline: %d\n", status(left));
	struct deadline_data deadline = {12345678901ull, 0};
	struct get_deadline asked = {.fence_fd = left};
	say("no deadline", ioctl(other, GET_DEADLINE, &asked));
	ioctl(left, SET_DEADLINE, &deadline);
	say("deadline", ioctl(other, GET_DEADLINE, &asked));
	printf("deadline is right: %d\n", llabs((long long)asked.deadline_ns - 12345678901ll) < 1000000);
	asked.fence_fd = 0;
	say("deadline of stdin", ioctl(other, GET_DEADLINE, &asked));
	close(other);
	struct pollfd ready = {left, POLLIN, 0};
	poll(&ready, 1, 5000);
	printf("timeline closed: %s ready %d\n", status(left) == -ENOENT ? "ENOENT" : "?", is_ready(left));

	int buffer = allocate(heap(), 4096);
	uint32_t at = 14;
	int pending = point(timeline, at + 1), epoll = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	say("epoll", epoll_ctl(epoll, EPOLL_CTL_ADD, pending, &event));
	printf("epoll waits: %d\n", epoll_wait(epoll, &event, 1, 0) == 0);
	struct sync_fd in = {.flags = READ, .fd = pending};
	say("import a reader", ioctl(buffer, IMPORT, &in));
	say("readers go on", sync_buffer(buffer, READ));
	struct sync_fd out = {.flags = READ};
	ioctl(buffer, EXPORT, &out);
	printf("export for readers: ready %d\n", is_ready(out.fd));
	out.flags = WRITE;
	ioctl(buffer, EXPORT, &out);
	printf("export for writers: ready %d\n", is_ready(out.fd));
	pthread_t thread;
	pthread_create(&thread, NULL, later, NULL);
	double before = seconds();
	say("writer waits", sync_buffer(buffer, WRITE));
	printf("long enough: %d\n", seconds() - before > 0.1);
	pthread_join(thread, NULL);
	printf("signaled: %d %d %d\n", is_ready(out.fd), is_ready(pending), epoll_wait(epoll, &event, 1, 0));

	in.flags = WRITE, in.fd = point(timeline, at + 100);
	ioctl(buffer, IMPORT, &in);
	struct sigaction action = {.sa_handler = interrupt};
	sigaction(SIGALRM, &action, NULL);
	struct itimerval timer = {{0, 0}, {0, 100000}};
	setitimer(ITIMER_REAL, &timer, NULL);
	say("interrupted", sync_buffer(buffer, READ));
	say("end does not wait", sync_buffer(buffer, READ | END));
	int child = fork();
	if (!child) {
		sync_buffer(buffer, READ);
		_exit(1);
	}
	usleep(100000);
	kill(child, SIGKILL);
	int how;
	waitpid(child, &how, 0);
	printf("killed while waiting: %d\n", WIFSIGNALED(how));
	say("bad timeline", ioctl(timeline, CREATE_FENCE, NULL));
	say("bad inc", ioctl(timeline, INC, NULL));
	return 0;
}
