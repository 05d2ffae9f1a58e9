/* Buffers of parts of memory files: what they show, and what becomes of mappings of them. One line each; a kernel with udmabuf says the
 * same. */
#include "common.h"
#include <sys/ptrace.h>
#include <sys/resource.h>

enum { PAGE = 4096 };
struct item { uint32_t memfd, pad; uint64_t offset, size; };
struct list { uint32_t flags, count; struct item items[1024]; };

static int device;

static int memory(int pages) {
	int fd = syscall(SYS_memfd_create, "mine", 3);
	if (fd < 0 || ftruncate(fd, (off_t)pages * PAGE) || fcntl(fd, 1033, 2))
		die("make memory");
	return fd;
}

static struct item item(int fd, int first, int pages) {
	return (struct item){fd, 0, (uint64_t)first * PAGE, (uint64_t)pages * PAGE};
}

static int create(struct list *list) { return ioctl(device, CREATE_LIST, list); }

static char *map_of(int fd, int first, int pages, int flags) {
	return mmap(0, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, (off_t)first * PAGE);
}

static char *need(char *mapped, const char *what) {
	if (mapped == MAP_FAILED)
		die(what);
	return mapped;
}

static long failed(char *mapped) { return mapped == MAP_FAILED ? -1 : 0; }

/* Writes the number of each page of a memory at its beginning, and more than that. */
static char *numbered(int fd, int pages, int from) {
	char *bytes = need(map_of(fd, 0, pages, 0), "map memory");
	for (int page = 0; page < pages; page++)
		bytes[page * PAGE] = from + page;
	return bytes;
}

static void show(const char *what, char *bytes, int pages) {
	printf("%s:", what);
	for (int page = 0; page < pages; page++)
		printf(" %d", bytes[page * PAGE]);
	printf("\n");
	fflush(stdout);
}

/* Four parts of two memories, in mixed order: pages 12 13, 24, 20 21, 10. */
static int mixed(int one, int other) {
	struct list list = {1, 4, {item(one, 2, 2), item(other, 4, 1), item(other, 0, 2), item(one, 0, 1)}};
	int buffer = create(&list);
	if (buffer < 0)
		die("create a list");
	return buffer;
}

static void contents(void) {
	int one = memory(8), other = memory(8);
	char *ones = numbered(one, 8, 10), *others = numbered(other, 8, 20);
	int buffer = mixed(one, other), before = open_descriptors();
	printf("cloexec: %d\n", fcntl(buffer, F_GETFD));
	printf("size: %ld\n", (long)lseek(buffer, 0, SEEK_END) / PAGE);
	char *all = need(map_of(buffer, 0, 6, 0), "map all");
	show("all", all, 6);
	all[0] = 112, all[2 * PAGE] = 124, all[6 * PAGE - 1] = 7;
	printf("written through: %d %d %d\n", ones[2 * PAGE], others[4 * PAGE], ones[PAGE - 1]);
	others[0] = 120;
	printf("written before: %d\n", all[3 * PAGE]);
	show("the middle", need(map_of(buffer, 1, 4, 0), "map the middle"), 4);
	show("the end", need(map_of(buffer, 5, 1, 0), "map the end"), 1);
	show("populated", need(map_of(buffer, 0, 6, MAP_POPULATE), "map populated"), 6);
	char *short_one = mmap(0, 5 * PAGE + 1, PROT_READ, MAP_SHARED, buffer, 0);
	show("a byte of the last page", need(short_one, "map a byte"), 6);
	printf("descriptors left: %d\n", open_descriptors() - before);
	struct udmabuf_data part = {one, 1, 5 * PAGE, 2 * PAGE};
	int of_one = ioctl(device, CREATE, &part);
	say("offset", of_one);
	show("offset", need(map_of(of_one, 0, 2, 0), "map at an offset"), 2);
	struct list twice = {1, 3, {item(one, 1, 1), item(one, 1, 1), item(one, 1, 1)}};
	char *thrice = need(map_of(create(&twice), 0, 3, 0), "map one page three times");
	thrice[PAGE] = 77;
	show("the same page", thrice, 3);
	say("sync end first", sync_buffer(buffer, RW | END));
	say("sync", sync_buffer(buffer, RW));
	say("sync end", sync_buffer(buffer, RW | END));
	say("name", ioctl(buffer, SET_NAME, "frame"));
	struct sync_fd out = {.flags = RW};
	say("export", ioctl(buffer, EXPORT, &out));
	out.flags = WRITE;
	say("import", ioctl(buffer, IMPORT, &out));
	struct udmabuf_data again = {buffer, 1, 0, PAGE};
	say("a part of a part", ioctl(device, CREATE, &again));
	struct list lists = {1, 2, {item(one, 0, 1), item(buffer, 0, 1)}};
	say("a list of a part", create(&lists));
	close(buffer);
	usleep(100000);
	show("closed and mapped", all, 6);
	all[0] = 12;
	printf("and shared: %d\n", ones[2 * PAGE]);
}

static void refusals(void) {
	int one = memory(8), other = memory(8), buffer = mixed(one, other);
	say("beyond the end", failed(map_of(buffer, 0, 7, 0)));
	say("from the middle beyond the end", failed(map_of(buffer, 5, 2, 0)));
	say("from the end", failed(map_of(buffer, 6, 1, 0)));
	say("nothing", failed(map_of(buffer, 0, 0, 0)));
	say("within a page", failed((char *)syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_SHARED, buffer, 1)));
	say("very long", failed(mmap(0, ~0ul, PROT_READ, MAP_SHARED, buffer, 0)));
	char *place = need(mmap(0, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "reserve");
	char *mapped = mmap(place, 6 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, buffer, 0);
	printf("where something is: %s\n", mapped == MAP_FAILED && errno == EEXIST ? "EEXIST" : "mapped");
	mapped = mmap(place, 6 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, buffer, 0);
	printf("at an address: %d %d\n", mapped == place, place[6 * PAGE]);
	mapped = mmap(place + 1, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, buffer, 0);
	say("within a page, fixed", failed(mapped));
	munmap(place, 8 * PAGE);
	mapped = mmap(place, 6 * PAGE, PROT_READ, MAP_SHARED, buffer, 0);
	printf("hinted: %d\n", mapped == place);
	mapped = mmap(0, 6 * PAGE, PROT_READ, MAP_SHARED | 0x40, buffer, 0);
	printf("low: %d\n", (uintptr_t)mapped < 1ul << 31);
	int flag = 0x80000;
	say("unknown flag, validated", failed(mmap(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE | flag, buffer, 0)) ? (errno == EOPNOTSUPP ? 0 : -1) : -1);
	say("validated", failed(mmap(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE, buffer, 0)));
	say("read", read(buffer, &flag, 1) < 0 ? 0 : -1);
	say("write", write(buffer, &flag, 1) < 0 ? 0 : -1);
	say("truncate", ftruncate(buffer, 0) < 0 ? 0 : -1);
}

static void pieces(void) {
	int one = memory(8), other = memory(8);
	numbered(one, 8, 10), numbered(other, 8, 20);
	int buffer = mixed(one, other);
	char *all = need(map_of(buffer, 0, 6, 0), "map all");
	say("unmap a piece", munmap(all + PAGE, 2 * PAGE));
	printf("around it: %d %d\n", all[0], all[3 * PAGE]);
	say("protect across parts", mprotect(all + 3 * PAGE, 3 * PAGE, PROT_READ));
	pid_t child = fork();
	if (!child) {
		all[0] = 99;
		all[4 * PAGE] = 1;
		_exit(0);
	}
	int status;
	waitpid(child, &status, 0);
	printf("a child writes: %d, and is killed where it may not: %d\n", all[0], WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	child = fork();
	if (!child)
		_exit(need(map_of(buffer, 0, 6, 0), "map in a child")[5 * PAGE]);
	waitpid(child, &status, 0);
	printf("a child maps: %d\n", WEXITSTATUS(status));
	munmap(all, 6 * PAGE);
	close(one), close(other);
	show("memories closed", need(map_of(buffer, 0, 6, 0), "map all"), 6);
}

static void many(int distinct) {
	static int memories[1024];
	struct list *list = calloc(1, sizeof *list);
	*list = (struct list){1, 1024};
	for (int i = 0; i < 1024; i++) {
		if (i < distinct)
			memories[i] = memory(1024 / distinct * 2);
		/* Every second page, so that no two follow each other. */
		list->items[i] = item(memories[i % distinct], i / distinct * 2, 1);
	}
	int buffer = create(list);
	if (buffer < 0)
		die("create of 1024 parts");
	int before = open_descriptors(), bad = 0;
	int *all = (int *)need(map_of(buffer, 0, 1024, 0), "map 1024 parts");
	for (int i = 0; i < 1024; i++)
		all[i * PAGE / 4] = i + 1;
	for (int i = 0; i < 1024; i++) {
		int told = 0;
		pread(memories[i % distinct], &told, 4, (off_t)list->items[i].offset);
		bad += told != i + 1;
	}
	printf("1024 parts of %d: wrong %d, descriptors left: %d\n", distinct, bad, open_descriptors() - before);
	say("unmap them", munmap(all, 1024 * PAGE));
	for (int i = 0; i < distinct; i++)
		close(memories[i]);
	close(buffer);
	free(list);
}

static volatile int ticks;
static void tick(int number) { (void)number; ticks++; }

struct job { int buffer, restarts, wrong, refused; };

static void *mapper(void *argument) {
	struct job *job = argument;
	for (int i = 0; i < 150; i++) {
		char *all = map_of(job->buffer, 0, 6, 0);
		if (all == MAP_FAILED) {
			if (errno == EACCES)
				job->refused++;
			else
				job->wrong += job->restarts || errno != EINTR;
			continue;
		}
		for (int page = 0; page < 6; page++)
			job->wrong += all[page * PAGE] != ((char[]){12, 13, 24, 20, 21, 10})[page];
		job->wrong += munmap(all, 6 * PAGE) != 0;
	}
	return NULL;
}

/* Maps from several threads, if so said while signals rain. */
static void storm(const char *what, int flags, int interval) {
	int one = memory(8), other = memory(8);
	numbered(one, 8, 10), numbered(other, 8, 20);
	struct job job[3];
	for (int i = 0; i < 3; i++)
		job[i] = (struct job){mixed(one, other), flags & SA_RESTART};
	struct sigaction action = {.sa_handler = tick, .sa_flags = flags};
	sigaction(SIGALRM, &action, NULL);
	struct itimerval timer = {{0, interval}, {0, interval}}, off = {{0}};
	int before = open_descriptors();
	setitimer(ITIMER_REAL, &timer, NULL);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, mapper, &job[i]);
	for (int i = 0; i < 3; i++)
		while (pthread_join(threads[i], NULL) == EINTR) {}
	setitimer(ITIMER_REAL, &off, NULL);
	int wrong = 0;
	for (int i = 0; i < 3; i++)
		wrong += job[i].wrong + job[i].refused;
	printf("%s: wrong %d, signals: %d, descriptors left: %d\n", what, wrong, ticks > 0, open_descriptors() - before);
	ticks = 0;
	for (int i = 0; i < 3; i++)
		close(job[i].buffer);
	close(one), close(other);
}

/* What only a run has limits of: descriptors and mappings for a moment, and memory that was sealed since. */
static void limits(void) {
	int one = memory(8), other = memory(8), buffer = mixed(one, other), before = open_descriptors();
	struct rlimit old, low;
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){dup(0) + 1, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &low);
	say("room for no descriptor", failed(map_of(buffer, 0, 6, 0)));
	close(low.rlim_cur - 1);
	say("room for one", failed(map_of(buffer, 0, 6, 0)));
	say("room for one, one needed", failed(map_of(buffer, 0, 2, 0)));
	setrlimit(RLIMIT_NOFILE, &old);
	unsigned long pages;
	FILE *file = fopen("/proc/self/statm", "r");
	if (fscanf(file, "%lu", &pages) != 1)
		die("read statm");
	fclose(file);
	getrlimit(RLIMIT_AS, &old);
	low = (struct rlimit){(pages + 4) * PAGE, old.rlim_max};
	setrlimit(RLIMIT_AS, &low);
	say("no room for pages", failed(map_of(buffer, 0, 6, 0)));
	say("room for some", failed(map_of(buffer, 0, 3, 0)));
	setrlimit(RLIMIT_AS, &old);
	if (fcntl(other, 1033, 16))
		die("seal");
	unsigned char in_memory[8];
	char *place = need(mmap(0, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "find a place");
	munmap(place, 8 * PAGE);
	char *mapped = mmap(place, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, buffer, 0);
	say("a later part sealed", failed(mapped));
	say("what is left of it", mincore(place, 6 * PAGE, in_memory));
	say("to read", failed(mmap(0, 6 * PAGE, PROT_READ, MAP_SHARED, buffer, 0)));
	say("private", failed(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, buffer, 0)));
	if (!fork()) {
		ptrace(PTRACE_TRACEME);
		say("traced", failed(map_of(buffer, 0, 6, 0)));
		say("traced, other memory", failed(map_of(one, 0, 6, 0)));
		_exit(0);
	}
	wait(NULL);
	printf("descriptors left: %d\n", open_descriptors() - before);
}

/* Through a card's hands: it keeps the buffer, and gives it out again. */
static void through_a_card(void) {
	struct prime { uint32_t handle, flags; int32_t fd; };
	int card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC), one = memory(8), other = memory(8);
	numbered(one, 8, 10), numbered(other, 8, 20);
	struct prime prime = {.flags = O_CLOEXEC | O_RDWR, .fd = mixed(one, other)};
	say("import", ioctl(card, _IOWR('d', 0x2e, struct prime), &prime));
	close(prime.fd);
	usleep(100000);
	say("export", ioctl(card, _IOWR('d', 0x2d, struct prime), &prime));
	show("what it gave out", need(map_of(prime.fd, 0, 6, 0), "map"), 6);
	say("sync", sync_buffer(prime.fd, RW));
	struct { uint32_t handle, pad; } handle = {prime.handle, 0};
	say("close", ioctl(card, _IOW('d', 0x09, uint64_t), &handle));
	usleep(100000);
	show("what it had given out", need(map_of(prime.fd, 0, 6, 0), "map"), 6);
}

/* Maps until it is refused; what it maps is right. */
static void endless(void) {
	int one = memory(8), other = memory(8);
	numbered(one, 8, 10), numbered(other, 8, 20);
	struct job job = {mixed(one, other)};
	printf("mapping\n");
	fflush(stdout);
	while (!job.refused)
		mapper(&job);
	printf("refused, wrong before: %d\n", job.wrong);
}

/* Makes, maps and closes as it is told. */
static void obey(void) {
	static int buffers[100];
	char line[32];
	int one = memory(8), other = memory(8);
	printf("ready %d %d\n", (int)getpid(), mixed(one, other));
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		for (int i = 0; i < 100; i++)
			if (!strcmp(line, "make"))
				need(map_of(buffers[i] = mixed(one, other), 0, 6, 0), "map");
			else
				close(buffers[i]);
		say(line, 0);
	}
}

int main(int argc, char **argv) {
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("open udmabuf");
	void (*modes[])(void) = {limits, endless, obey, through_a_card};
	const char *names[] = {"limits", "endless", "obey", "card"};
	for (int i = 0; argc > 1 && i < 4; i++)
		if (!strcmp(argv[1], names[i])) {
			modes[i]();
			return 0;
		}
	contents();
	refusals();
	pieces();
	many(1);
	many(64);
	storm("threads", SA_RESTART, 0);
	storm("threads and signals", SA_RESTART, 200);
	storm("threads and signals that interrupt", 0, 200);
	return 0;
}
