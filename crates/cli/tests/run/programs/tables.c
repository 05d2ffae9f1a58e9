/* Who has which descriptors: threads with tables of their own, fork, exec, descriptors sent over a socket. */
#include "common.h"
#include <sys/socket.h>

static int device, buffer;

static void *apart(void *unused) {
	(void)unused;
	if (unshare(CLONE_FILES))
		die("have an own table");
	int mine = allocate(device, 8192);
	say("own table: sync", sync_buffer(mine, RW));
	close(buffer);
	say("own table: closed here only", sync_buffer(buffer, RW));
	return (void *)(long)mine;
}

static void *threads(void *unused) {
	(void)unused;
	for (int i = 0; i < 200; i++) {
		int fd = allocate(device, 4096);
		if (sync_buffer(fd, RW))
			die("sync");
		close(fd);
	}
	return NULL;
}

int main(int argc, char **argv) {
	if (argc > 1) {
		say("exec: inherited buffer", sync_buffer(atoi(argv[1]), RW));
		say("exec: new buffer", try_allocate(heap(), 4096));
		return 0;
	}
	device = heap();
	buffer = allocate(device, 4096);
	pthread_t thread;
	void *theirs;
	pthread_create(&thread, NULL, apart, NULL);
	pthread_join(thread, &theirs);
	say("still open here", sync_buffer(buffer, RW));
	say("not open here", sync_buffer((int)(long)theirs, RW));
	pthread_t many[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&many[i], NULL, threads, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(many[i], NULL);
	printf("threads: ok\n");
	fflush(stdout);
	int sockets[2], status;
	socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
	if (!fork()) {
		int mine = allocate(device, 4096);
		char byte = 0, space[CMSG_SPACE(sizeof(int))];
		struct iovec part = {&byte, 1};
		struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &mine, sizeof mine);
		char *bytes = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mine, 0);
		bytes[7] = 77;
		say("fork: sync of the parent's", sync_buffer(buffer, RW));
		_exit(sendmsg(sockets[1], &message, 0) != 1);
	}
	wait(&status);
	char byte, space[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
	if (recvmsg(sockets[0], &message, 0) != 1)
		die("receive");
	int sent;
	memcpy(&sent, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof sent);
	usleep(100000);
	say("a dead process's buffer: sync", sync_buffer(sent, RW));
	char *bytes = mmap(0, 4096, PROT_READ, MAP_SHARED, sent, 0);
	printf("a dead process's buffer: contents %d\n", bytes[7]);
	fcntl(buffer, F_SETFD, 0);
	fflush(stdout);
	if (!vfork()) {
		char number[16];
		snprintf(number, sizeof number, "%d", buffer);
		execl("/proc/self/exe", argv[0], number, NULL);
		_exit(98);
	}
	wait(&status);
	return WEXITSTATUS(status);
}
