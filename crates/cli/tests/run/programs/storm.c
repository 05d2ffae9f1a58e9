/* Calls while signals come every 200 us: none fails but with EINTR, nothing leaks, nothing is lost. */
#include "common.h"

static volatile int signals;
static void count(int signal) { (void)signal; signals++; }

int main(int argc, char **argv) {
	int flags = argc > 1 && !strcmp(argv[1], "restart") ? SA_RESTART : 0;
	struct sigaction action = {.sa_handler = count, .sa_flags = flags};
	sigaction(SIGALRM, &action, NULL);
	int device = heap(), done = 0, interrupted = 0, failed = 0;
	int buffer = allocate(device, 4096);
	int before = open_descriptors();
	struct itimerval timer = {{0, 200}, {0, 200}};
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 3000; i++) {
		int fd = try_allocate(device, 4096);
		if (fd >= 0) {
			done++;
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
			close(out.fd);
		} else if (errno != EINTR) {
			failed++;
			say("export", -1);
		}
	}
	memset(&timer, 0, sizeof timer);
	setitimer(ITIMER_REAL, &timer, NULL);
	printf("failed: %d lost: %d leaked: %d signals: %d\n", failed, 3000 - done - interrupted - failed,
	       open_descriptors() - before, signals > 100);
	return failed;
}
