//! What a process has: descriptors, shared memory and children.

use std::fs;
use std::io;
use std::path::PathBuf;

/// What a process of this user has at a moment, read from `/proc`.
///
/// Take one before and one after, when the process is idle, and ask what is left over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Each as `fd 7 -> socket:[4711]`.
    descriptors: Vec<String>,
    /// Each mapping of a memory file as `mapping rw-s /memfd:name`.
    mappings: Vec<String>,
    /// Each as `child 4711 (name)`, zombies included.
    children: Vec<String>,
}

impl Snapshot {
    /// Looks at this process.
    ///
    /// # Errors
    ///
    /// When `/proc` cannot be read.
    pub fn of_self() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// Looks at the process `pid`.
    ///
    /// # Errors
    ///
    /// `ENOENT` when there is none, `EACCES` when it is another user's.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self {
            descriptors: descriptors(pid)?,
            mappings: mappings(pid)?,
            children: children(pid)?,
        })
    }

    /// Everything that is there now and was not `before`, each in words; empty when nothing leaked.
    pub fn left_over_since(&self, before: &Self) -> Vec<String> {
        let lists = [
            (&self.descriptors, &before.descriptors),
            (&self.mappings, &before.mappings),
            (&self.children, &before.children),
        ];
        lists
            .iter()
            .flat_map(|(now, before)| without(now, before))
            .collect()
    }

    /// How many file descriptors are open.
    pub fn descriptor_count(&self) -> usize {
        self.descriptors.len()
    }

    /// How many children there are.
    pub fn child_count(&self) -> usize {
        self.children.len()
    }
}

/// What is in `now` more often than in `before`.
fn without(now: &[String], before: &[String]) -> Vec<String> {
    let mut before = before.to_vec();
    let is_new = |item: &&String| match before.iter().position(|other| other == *item) {
        Some(index) => {
            before.swap_remove(index);
            false
        }
        None => true,
    };
    now.iter().filter(is_new).cloned().collect()
}

fn descriptors(pid: u32) -> io::Result<Vec<String>> {
    let directory = PathBuf::from(format!("/proc/{pid}/fd"));
    let mut descriptors = Vec::new();
    for entry in fs::read_dir(&directory)? {
        let entry = entry?;
        // One that was closed since the directory was read is not there any more.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        // Of this process, one is the directory just being read.
        if target != directory {
            let number = entry.file_name();
            descriptors.push(format!("fd {} -> {}", number.display(), target.display()));
        }
    }
    Ok(descriptors)
}

fn mappings(pid: u32) -> io::Result<Vec<String>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mapping = |line: &str| {
        let (_, name) = line.split_once("/memfd:")?;
        let access = line.split_whitespace().nth(1)?;
        Some(format!(
            "mapping {access} /memfd:{}",
            name.trim_end_matches(" (deleted)")
        ))
    };
    Ok(maps.lines().filter_map(mapping).collect())
}

/// The children of all threads. `/proc/PID/task/TID/children` would say the same, but not every kernel has it.
fn children(pid: u32) -> io::Result<Vec<String>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process that ended since is no child.
        let Ok(stat) = fs::read_to_string(format!("/proc/{number}/stat")) else {
            continue;
        };
        if let Some((program, parent)) = program_and_parent(&stat)
            && parent == pid
        {
            children.push(format!("child {number} ({program})"));
        }
    }
    Ok(children)
}

/// Second and fourth field of a `stat` file; the second may contain anything, parentheses and blanks too.
fn program_and_parent(stat: &str) -> Option<(&str, u32)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, program) = head.split_once('(')?;
    let parent = tail.split_whitespace().nth(1)?.parse().ok()?;
    Some((program, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_with_odd_name_does_not_hide_its_parent() {
        assert_eq!(
            program_and_parent("12 (a) (b) c) S 7 12 12"),
            Some(("a) (b) c", 7))
        );
        assert_eq!(program_and_parent("12 sleep S 7"), None);
    }

    #[test]
    fn second_of_two_equal_things_is_left_over() {
        let (one, two) = (vec!["a".to_owned()], vec!["a".to_owned(), "a".to_owned()]);
        assert_eq!(without(&two, &one), ["a"]);
        assert!(without(&one, &two).is_empty());
    }
}
