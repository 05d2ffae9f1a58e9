/* As many descriptors as there can be, and one more. */
#include "common.h"
#include <sys/resource.h>

int main(int argc, char **argv) {
	int wanted = argc > 1 ? atoi(argv[1]) : 10000;
	struct rlimit limit = {wanted + 16, wanted + 16};
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("have so many descriptors");
	int device = heap(), buffer = allocate(device, 4096), fd;
	while ((fd = dup(buffer)) >= 0 && fd < wanted)
		;
	say("sync on the last", sync_buffer(wanted - 1, RW));
	while (dup(buffer) >= 0)
		;
	say("no room: alloc", try_allocate(device, 4096));
	struct sync_fd out = {.flags = RW};
	say("no room: export", ioctl(buffer, EXPORT, &out));
	close(wanted - 1);
	say("room for one: alloc", try_allocate(device, 4096));
	return 0;
}
