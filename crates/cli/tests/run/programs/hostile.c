/* A program that changes everything while it is looked at. It may get any answer, but harms only itself. */
#include "common.h"

static volatile int stop;
static int device, victim;
static volatile struct alloc_data *argument, *passed; /* the same memory */

static void *changes_arguments(void *unused) {
	(void)unused;
	for (unsigned i = 0; !stop; i++) {
		argument->len = i % 3 ? 4096 : UINT64_MAX;
		argument->fd_flags = i % 5 ? O_RDWR : ~0u;
		argument->heap_flags = i % 7 ? 0 : 1;
	}
	return NULL;
}

static void *changes_mappings(void *unused) {
	(void)unused;
	while (!stop) {
		mprotect((void *)passed, 4096, PROT_READ);
		mprotect((void *)passed, 4096, PROT_READ | PROT_WRITE);
	}
	return NULL;
}

static void *changes_descriptors(void *unused) {
	(void)unused;
	int null = open("/dev/null", O_RDWR), memory = syscall(SYS_memfd_create, "x", 2);
	while (!stop) {
		dup2(null, victim);
		dup2(device, victim);
		dup2(memory, victim);
		close(victim);
	}
	return NULL;
}

int main(void) {
	device = heap();
	victim = 500;
	int memory = syscall(SYS_memfd_create, "argument", 0);
	ftruncate(memory, 4096);
	argument = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	passed = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	pthread_t threads[3];
	void *(*bodies[])(void *) = {changes_arguments, changes_mappings, changes_descriptors};
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, bodies[i], NULL);
	int good = 0, odd = 0, errors[200] = {0};
	for (int i = 0; i < 4000; i++) {
		int fd = i % 2 ? victim : device;
		argument->fd = 0;
		if (!ioctl(fd, ALLOC, (void *)passed))
			good++;
		else if (errors[errno % 200]++, errno != EINVAL && errno != EFAULT && errno != EBADF && errno != ENOTTY && errno != ENOMEM && errno != EMFILE) {
			odd++;
			say("alloc", -1);
		}
		if (sync_buffer(victim, RW) && errno != EBADF && errno != ENOTTY) {
			odd++;
			say("sync", -1);
		}
		for (int fd = 3; i % 200 == 199 && fd < 400; fd++)
			if (fd != device)
				close(fd);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("odd answers: %d, some good ones: %d\n", odd, good > 0);
	for (int i = 0; i < 200; i++)
		if (errors[i])
			fprintf(stderr, "%s: %d\n", strerror(i), errors[i]);
	say("afterwards", try_allocate(device, 4096));
	return 0;
}
