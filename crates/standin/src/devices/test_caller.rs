//! A caller for tests: memory from address 0, and nothing open.

use std::cell::RefCell;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Caller, FileId};

pub(crate) struct TestCaller {
    pub(crate) memory: RefCell<Vec<u8>>,
    pub(crate) installed: RefCell<Vec<OwnedFd>>,
}

impl TestCaller {
    pub(crate) fn with_memory(bytes: &[u8]) -> Self {
        Self {
            memory: RefCell::new(bytes.to_vec()),
            installed: RefCell::default(),
        }
    }

    fn range(&self, address: u64, length: usize) -> Result<std::ops::Range<usize>, Errno> {
        let start = usize::try_from(address).map_err(|_| Errno::FAULT)?;
        let end = start.checked_add(length).ok_or(Errno::FAULT)?;
        if end > self.memory.borrow().len() {
            return Err(Errno::FAULT);
        }
        Ok(start..end)
    }

    fn keep(&self, fd: BorrowedFd<'_>) -> Result<u32, Errno> {
        let mut installed = self.installed.borrow_mut();
        installed.push(fd.try_clone_to_owned().unwrap());
        Ok(installed.len() as u32 - 1)
    }
}

impl Caller for TestCaller {
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        let range = self.range(address, bytes.len())?;
        bytes.copy_from_slice(&self.memory.borrow()[range]);
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let range = self.range(address, bytes.len())?;
        self.memory.borrow_mut()[range].copy_from_slice(bytes);
        Ok(())
    }

    fn file(&self, fd: i32) -> Result<(OwnedFd, FileId), Errno> {
        let installed = self.installed.borrow();
        let index = usize::try_from(fd).map_err(|_| Errno::BADF)?;
        let file = installed.get(index).ok_or(Errno::BADF)?.try_clone().unwrap();
        let id = FileId::of(&file)?;
        Ok((file, id))
    }

    fn is_closed_on_exec(&self, _fd: i32) -> bool {
        false
    }

    fn install(&self, fd: BorrowedFd<'_>, _flags: OFlags) -> Result<u32, Errno> {
        self.keep(fd)
    }

    fn replace(&self, number: i32, fd: BorrowedFd<'_>, _flags: OFlags) -> Result<(), Errno> {
        self.installed.borrow_mut()[number as usize] = fd.try_clone_to_owned().unwrap();
        Ok(())
    }

    fn return_fd(&self, fd: BorrowedFd<'_>, _flags: OFlags) -> Result<(), Errno> {
        self.keep(fd).map(drop)
    }

    fn can_be_made_to_map(&self) -> bool {
        true
    }

    fn name(&self) -> String {
        "test".to_owned()
    }

    fn process(&self) -> u32 {
        std::process::id()
    }
}
