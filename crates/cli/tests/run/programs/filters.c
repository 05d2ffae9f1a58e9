/* A program with filters of its own; a call that enters the kernel the 32-bit way. */
#include "common.h"
#include <stddef.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static long install(unsigned int flags, unsigned int action) {
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static struct sync_data low = {RW};

int main(int argc, char **argv) {
	(void)argv;
	int device = heap(), buffer = allocate(device, 4096);
#if defined(__x86_64__)
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(54), "b"(buffer), "c"((unsigned)SYNC), "d"((unsigned)(uintptr_t)&low) : "memory");
	printf("32-bit entry: %ld\n", result);
	low.flags = 0;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(54), "b"(buffer), "c"((unsigned)SYNC), "d"((unsigned)(uintptr_t)&low) : "memory");
	printf("32-bit entry, bad flags: %ld\n", result);
#endif
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	say("filter that allows", install(0, SECCOMP_RET_ALLOW));
	say("alloc under it", try_allocate(device, 4096));
	say("second listener", install(SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF));
	say("alloc after that", try_allocate(device, 4096));
	if (argc > 1)
		return 0;
	say("filter that forbids", install(0, SECCOMP_RET_ERRNO | EPERM));
	say("alloc under it", try_allocate(device, 4096));
	return 0;
}
