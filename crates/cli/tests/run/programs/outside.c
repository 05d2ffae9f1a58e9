/* One buffer, held in a run and outside of it. Inside: `outside PATH MODE`: allocates, connects to the socket PATH, sends the buffer, and does
 * what it is told on stdin. Outside: `outside PATH`: listens there, takes the buffer, and does what it is told, without any help of a run. */
#include "common.h"
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int connected(const char *path, int listens) {
	struct sockaddr_un at = {AF_UNIX};
	strncpy(at.sun_path, path, sizeof at.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!listens)
		return connect(fd, (void *)&at, sizeof at) ? die("connect"), -1 : fd;
	if (bind(fd, (void *)&at, sizeof at) || listen(fd, 1))
		die("listen");
	printf("listens\n");
	fflush(stdout);
	return accept(fd, NULL, NULL);
}

union control { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr head; };

static struct msghdr with_descriptor(union control *control, struct iovec *part) {
	struct msghdr message = {.msg_iov = part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof *control};
	return message;
}

static void give(int socket, int fd) {
	union control control = {0};
	struct iovec part = {"x", 1};
	struct msghdr message = with_descriptor(&control, &part);
	control.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	if (sendmsg(socket, &message, 0) != 1)
		die("send");
}

static int take(int socket) {
	union control control = {0};
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = with_descriptor(&control, &part);
	int fd = -1;
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		die("receive");
	memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
	return fd;
}

/* What is ready within so many milliseconds, and how long that took. */
static void polled(const char *what, int fd, int events, int timeout) {
	struct pollfd ready = {fd, events, 0};
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	int count = poll(&ready, 1, timeout);
	clock_gettime(CLOCK_MONOTONIC, &after);
	long took = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	printf("%s:%s%s%s%s%s\n", what, count ? "" : " nothing", ready.revents & POLLIN ? " in" : "",
	       ready.revents & POLLOUT ? " out" : "", ready.revents & POLLERR ? " error" : "", took >= 50 ? " later" : "");
	fflush(stdout);
}

static void epolled(int fd, int timeout) {
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event asked = {EPOLLIN}, event;
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &asked))
		return say("epoll", -1);
	printf("epoll: %d events\n", epoll_wait(set, &event, 1, timeout));
	fflush(stdout);
	close(set);
}

static int never_handled;
static void handle(int signal) { never_handled = signal; }

int main(int argc, char **argv) {
	char order[64], *mapped = NULL;
	int buffer, fence = -1, timeline = -1, memory = -1, link = connected(argv[1], argc == 2);
	if (argc > 2) {
		buffer = allocate(heap(), 8192);
		give(link, buffer);
	} else
		buffer = take(link);
	sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handle}, NULL);
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(order, sizeof order, stdin)) {
		order[strcspn(order, "\n")] = 0;
		char *argument = strchr(order, ' ');
		if (argument)
			*argument++ = 0;
		if (!strcmp(order, "import")) {
			if (timeline < 0 && (timeline = open("/dev/sw_sync", O_RDWR | O_CLOEXEC)) < 0)
				die("open sw_sync");
			struct create_fence made = {.value = atoi(argument), .name = "work"};
			if (ioctl(timeline, CREATE_FENCE, &made))
				die("make a fence");
			fence = made.fence;
			struct sync_fd asked = {WRITE, fence};
			say("import", ioctl(buffer, IMPORT, &asked));
		} else if (!strcmp(order, "give-fence")) {
			give(link, fence);
			say("give-fence", 0);
		} else if (!strcmp(order, "take-fence")) {
			struct sync_fd asked = {WRITE, take(link)};
			say("take-fence", ioctl(buffer, IMPORT, &asked));
		} else if (!strcmp(order, "make")) {
			if (timeline < 0 && (timeline = open("/dev/sw_sync", O_RDWR | O_CLOEXEC)) < 0)
				die("open sw_sync");
			struct create_fence made = {.value = atoi(argument), .name = "work"};
			say("make", ioctl(timeline, CREATE_FENCE, &made));
			fence = made.fence;
		} else if (!strcmp(order, "advance")) {
			uint32_t by = 1;
			say("advance", ioctl(timeline, INC, &by));
		} else if (!strcmp(order, "poll"))
			polled("poll", buffer, atoi(argument), 0);
		else if (!strcmp(order, "wait"))
			polled("wait", buffer, atoi(argument), 10000);
		else if (!strcmp(order, "epoll"))
			epolled(buffer, atoi(argument));
		else if (!strcmp(order, "sync"))
			say("sync", sync_buffer(buffer, RW));
		else if (!strcmp(order, "bad-sync"))
			say("bad-sync", sync_buffer(buffer, 8));
		else if (!strcmp(order, "name"))
			say("name", ioctl(buffer, SET_NAME, argument));
		else if (!strcmp(order, "export")) {
			struct sync_fd asked = {RW, -1};
			say("export", ioctl(buffer, EXPORT, &asked));
		} else if (!strcmp(order, "unknown"))
			say("unknown", ioctl(buffer, _IOW('b', 9, int), &fence));
		else if (!strcmp(order, "reopen")) {
			char path[64];
			sprintf(path, "/proc/self/fd/%d", buffer);
			say("reopen", open(path, O_RDWR));
		} else if (!strcmp(order, "map")) {
			mapped = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
			say("map", mapped == MAP_FAILED ? -1 : 0);
		} else if (!strcmp(order, "write"))
			strcpy(mapped, argument), say("write", 0);
		else if (!strcmp(order, "read"))
			printf("read: %s\n", mapped), fflush(stdout);
		else if (!strcmp(order, "udmabuf")) {
			memory = syscall(SYS_memfd_create, "own", 3);
			if (ftruncate(memory, 8192) || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK))
				die("make memory");
			struct udmabuf_data asked = {memory, 1, 0, 8192};
			int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
			close(buffer);
			say("udmabuf", buffer = ioctl(device, CREATE, &asked));
			close(device);
		} else if (!strcmp(order, "allocate")) {
			close(buffer);
			say("allocate", buffer = try_allocate(heap(), 8192));
		} else if (!strcmp(order, "memory-sync"))
			say("memory-sync", sync_buffer(memory, RW));
		else if (!strcmp(order, "close"))
			say("close", close(buffer));
		else
			return 3;
	}
	return 0;
}
