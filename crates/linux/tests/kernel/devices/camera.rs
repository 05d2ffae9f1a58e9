//! vivid: a camera without hardware, whose pictures are never all zero.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use wharf_testkit::skip;

use super::{call, code};

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
const CAPTURE: u32 = 1;
/// `V4L2_MEMORY_MMAP` and `V4L2_MEMORY_DMABUF`.
const OWN: u32 = 1;
const IMPORTED: u32 = 4;
/// Calls that the kernel only reads the argument of.
const READ_ONLY: u32 = !(1 << 31);

/// `struct v4l2_format`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Format {
    kind: u32,
    _gap: u32,
    /// Width, height, format, field, bytes of a line, bytes of a picture.
    picture: [u32; 6],
    rest: [u32; 44],
}

/// `struct v4l2_requestbuffers`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Request {
    count: u32,
    kind: u32,
    memory: u32,
    rest: [u32; 2],
}

/// `struct v4l2_buffer`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Buffer {
    index: u32,
    kind: u32,
    used_bytes: u32,
    flags: u32,
    field: u32,
    _gap: u32,
    time: [u64; 2],
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    fd: i32,
    _half: u32,
    len_bytes: u32,
    rest: [u32; 3],
}

/// `struct v4l2_exportbuffer`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Export {
    kind: u32,
    index: u32,
    plane: u32,
    flags: u32,
    fd: i32,
    rest: [u32; 11],
}

/// A picture that has been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    /// In which buffer.
    pub(crate) index: u32,
    pub(crate) used_bytes: usize,
}

/// The camera.
pub(crate) struct Camera {
    fd: OwnedFd,
    memory: u32,
    picture_bytes: usize,
}

impl Camera {
    /// The first node of vivid that captures.
    pub(crate) fn find() -> Option<Self> {
        let found = (0..16).find_map(|number| {
            let name = fs::read_to_string(format!("/sys/class/video4linux/video{number}/name")).ok()?;
            if !name.starts_with("vivid") || !name.contains("cap") {
                return None;
            }
            let flags = OFlags::RDWR | OFlags::CLOEXEC;
            let fd = rustix::fs::open(format!("/dev/video{number}"), flags, Mode::empty()).unwrap();
            let mut format = Format {
                kind: CAPTURE,
                _gap: 0,
                picture: [0; 6],
                rest: [0; 44],
            };
            call(&fd, code::<Format>(b'V', 4), &mut format).unwrap();
            Some(Self {
                fd,
                memory: OWN,
                picture_bytes: format.picture[5] as usize,
            })
        });
        if found.is_none() {
            skip("no camera: the module vivid is not loaded");
        }
        found
    }

    /// How large a picture is.
    pub(crate) fn picture_bytes(&self) -> usize {
        self.picture_bytes
    }

    fn request(&mut self, memory: u32, count: u32) {
        let mut request = Request {
            count,
            kind: CAPTURE,
            memory,
            rest: [0; 2],
        };
        call(&self.fd, code::<Request>(b'V', 8), &mut request).unwrap();
        assert_eq!(request.count, count);
        self.memory = memory;
    }

    /// Has the camera take pictures into buffers of its own, and returns them as dma-bufs for reading.
    #[allow(dead_code, reason = "some tests take pictures into buffers of their own")]
    #[allow(
        unsafe_code,
        reason = "takes over descriptors that the driver has just opened"
    )]
    pub(crate) fn own_buffers(&mut self, count: u32) -> Vec<OwnedFd> {
        self.request(OWN, count);
        let export = |index| {
            let mut export = Export {
                kind: CAPTURE,
                index,
                plane: 0,
                flags: (OFlags::RDONLY | OFlags::CLOEXEC).bits(),
                fd: -1,
                rest: [0; 11],
            };
            call(&self.fd, code::<Export>(b'V', 16), &mut export).unwrap();
            assert!(export.fd >= 0);
            // SAFETY:
            // * The driver has just opened it for this process, and told nobody else.
            unsafe { OwnedFd::from_raw_fd(export.fd) }
        };
        (0..count).map(export).collect()
    }

    /// Has the camera take pictures into dma-bufs of others.
    #[allow(dead_code, reason = "some tests take pictures into the camera's buffers")]
    pub(crate) fn use_buffers(&mut self, count: u32) {
        self.request(IMPORTED, count);
    }

    /// Gives the camera a buffer to fill: one of its own, or a dma-buf.
    pub(crate) fn fill(&self, index: u32, buffer: Option<BorrowedFd<'_>>) {
        let mut queued = Buffer {
            index,
            kind: CAPTURE,
            memory: self.memory,
            fd: buffer.map_or(0, |fd| fd.as_raw_fd()),
            ..Buffer::default()
        };
        call(&self.fd, code::<Buffer>(b'V', 15), &mut queued).unwrap();
    }

    /// Begins to take pictures.
    pub(crate) fn start(&self) {
        call(&self.fd, code::<u32>(b'V', 18) & READ_ONLY, &mut CAPTURE.clone()).unwrap();
    }

    /// Waits for the next picture.
    pub(crate) fn take(&self) -> Picture {
        let mut taken = Buffer {
            kind: CAPTURE,
            memory: self.memory,
            ..Buffer::default()
        };
        call(&self.fd, code::<Buffer>(b'V', 17), &mut taken).unwrap();
        Picture {
            index: taken.index,
            used_bytes: taken.used_bytes as usize,
        }
    }
}

impl AsFd for Camera {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
