/* In a guest: makes a picture in its graphics card, fills it, and shows it. QEMU sees it as parts of the guest's memory. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct create_dumb { uint32_t height, width, bpp, flags, handle, pitch; uint64_t size; };
struct map_dumb { uint32_t handle, pad; uint64_t offset; };
#define CREATE_DUMB _IOWR('d', 0xb2, struct create_dumb)
#define MAP_DUMB _IOWR('d', 0xb3, struct map_dumb)

int main(void) {
	int card = open("/dev/dri/card0", O_RDWR);
	struct create_dumb picture = {.height = 480, .width = 640, .bpp = 32};
	if (card < 0 || ioctl(card, CREATE_DUMB, &picture))
		return 1;
	struct map_dumb place = {.handle = picture.handle};
	if (ioctl(card, MAP_DUMB, &place))
		return 2;
	char *pixels = mmap(0, picture.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, place.offset);
	if (pixels == MAP_FAILED)
		return 3;
	memset(pixels, 0x5a, picture.size);
	printf("a picture of %d KiB\n", (int)(picture.size / 1024));
	return 0;
}
