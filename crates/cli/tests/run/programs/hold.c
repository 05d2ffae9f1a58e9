/* Holds buffers of so many bytes as said, does what it is told on stdin, and says when it is done. */
#include "common.h"

int main(int argc, char **argv) {
	int device = heap(), count = 0, fds[1000];
	void *mapped = NULL;
	uint64_t size = argc > 1 ? strtoull(argv[1], NULL, 0) : 4096;
	char order[64];
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(order, sizeof order, stdin)) {
		order[strcspn(order, "\n")] = 0;
		if (!strcmp(order, "allocate")) {
			int fd = try_allocate(device, size);
			say("allocate", fd);
			if (fd >= 0)
				fds[count++] = fd;
		} else if (!strcmp(order, "close"))
			say("close", close(fds[--count]));
		else if (!strcmp(order, "map"))
			mapped = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[count - 1], 0), say("map", mapped == MAP_FAILED);
		else if (!strcmp(order, "unmap"))
			say("unmap", munmap(mapped, 4096));
		else if (!strcmp(order, "sync"))
			say("sync", sync_buffer(fds[count - 1], RW));
		else if (!strcmp(order, "fork")) {
			if (!fork()) {
				sleep(1000);
				_exit(0);
			}
			say("fork", 0);
		} else
			return 3;
	}
	return 0;
}
