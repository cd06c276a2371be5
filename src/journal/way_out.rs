//! What a person can do about a journal that cannot be opened, as a command that destroys nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{mark, segment, snapshot};

/// The command that keeps the entries up to `last` (those in segments that begin up to `first`) and
/// moves everything later out of the way, after it has copied the whole directory. `cut`: the file that
/// is good only up to a place. `None` when nothing would be kept or there is nothing to move.
pub fn keep_until(dir: &Path, last: u64, first: u64, cut: Option<(&Path, u64)>) -> Option<String> {
    let later = |(number, file): (u64, PathBuf), most: u64| (number > most).then_some(file);
    let segments = segment::list(dir).ok()?.into_iter().filter_map(|item| later(item, first));
    let snapshots = snapshot::list(dir).ok()?.into_iter().filter_map(|item| later(item, last));
    let moved: Vec<PathBuf> = segments.chain(snapshots).collect();
    if moved.is_empty() && cut.is_none() {
        return None;
    }
    let copy = beside(dir);
    let mut command = format!("mkdir {0} && cp -a {1}/. {0}", quoted(&copy), quoted(dir));
    // So that the next start knows: what is kept looks whole.
    let _ = write!(command, " && install -m 600 /dev/null {}", quoted(&mark::file_of(dir, last)));
    if let Some((file, byte)) = cut {
        let _ = write!(command, " && truncate -s {byte} {}", quoted(file));
    }
    if !moved.is_empty() {
        command.push_str(" && mv -f");
        for file in &moved {
            let _ = write!(command, " {}", quoted(file));
        }
        let _ = write!(command, " {}", quoted(&copy));
    }
    Some(command)
}

/// The command that gives two files each other's names.
pub fn swap(one: &Path, other: &Path) -> String {
    let (one, other) = (quoted(one), quoted(other));
    format!("mv -n {one} {one}.swapped && mv -n {other} {one} && mv -n {one}.swapped {other}")
}

/// The command that gives a file its own name back, when that name is free.
pub fn rename(file: &Path, to: &Path) -> String {
    format!("mv -n {} {}", quoted(file), quoted(to))
}

fn beside(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".copy");
    PathBuf::from(name)
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
