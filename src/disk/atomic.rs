//! Replacing files, so that a reader finds the old content or the new and never a part.
//!
//! The new content is written to a hidden file in the same folder, `.<random>.tmp`, which is then
//! renamed. The result looks as if the file had been written in place:
//! - a new file has mode 0666 less the user's mask; an old one keeps its mode, and its owner where
//!   the system permits that;
//! - a symbolic link stays, and the file that it names is replaced;
//! - a device, a pipe or a socket is written to, and so is the file that stdout or stderr goes to;
//! - a file that cannot be replaced, because it is a mount point or because its folder is
//!   read-only, is overwritten. A crash can cut this one.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, Seek as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{
            FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Access, OFlags, access, fcntl_getfl, fcntl_setfl},
    io::Errno,
};
use tempfile::NamedTempFile;

/// How long a pipe may be without a reader: one that is started at the same time needs a moment.
const PATIENCE: Duration = Duration::from_secs(2);

/// When the new content reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Before the call returns: the file survives a power cut.
    Now,
    /// When the system likes; after a power cut the file may be empty.
    Later,
}

/// How new content gets to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// In a file that replaces what is there.
    File,
    /// In place: to a device, a pipe, or the file that the output of this process goes to.
    Stream,
}

/// How the path would be written to; an error if it cannot be. Nothing stays written.
///
/// For work whose result must not be lost in the end. A pipe may have no reader yet.
pub fn probe(path: &Path) -> io::Result<Target> {
    let before = metadata(path)?;
    if let Some(found) = &before {
        if found.is_dir() {
            return Err(Errno::ISDIR.into());
        }
        if own_output(found)?.is_some() {
            return Ok(Target::Stream);
        }
        if !found.is_file() {
            access(path, Access::WRITE_OK)?;
            return Ok(Target::Stream);
        }
    }
    let path = follow_links(path)?;
    match temporary_file(&path) {
        Err(error) if before.is_some() && error.kind() == io::ErrorKind::PermissionDenied => {
            OpenOptions::new().write(true).open(&path)?;
        }
        made => drop(made?),
    }
    Ok(Target::File)
}

/// Replaces a file by these bytes.
pub fn write(path: &Path, bytes: &[u8], flush: Flush) -> io::Result<()> {
    write_with(path, flush, |file| file.write_all(bytes))
}

/// Writes a file where there is none; false if something has its name, which is then left as it is.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    // Most files are there or not; what appears meanwhile is found below.
    if fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    let mut new = temporary_file(path)?;
    new.write_all(bytes)?;
    match new.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// Replaces a file by what `fill` writes; if `fill` fails, the old file stays.
pub fn write_with(
    path: &Path,
    flush: Flush,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let before = metadata(path)?;
    if let Some(mut stream) = stream_at(path, before.as_ref())? {
        return fill(&mut stream);
    }
    let path = follow_links(path)?;
    let mut new = match temporary_file(&path) {
        Ok(new) => new,
        Err(error) if before.is_some() && error.kind() == io::ErrorKind::PermissionDenied => {
            let mut file = OpenOptions::new().write(true).truncate(true).open(&path)?;
            fill(&mut file)?;
            return file.sync_all();
        }
        Err(error) => return Err(error),
    };
    fill(new.as_file_mut())?;
    persist(new, &path, before.as_ref(), flush)
}

/// Replaces a file by what `fill` puts at the path that it is given.
///
/// For libraries that take a path; such a library may replace the file at that path, too.
pub fn write_at(
    path: &Path,
    flush: Flush,
    fill: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let before = metadata(path)?;
    if let Some(mut stream) = stream_at(path, before.as_ref())? {
        let whole = NamedTempFile::new()?;
        fill(whole.path())?;
        io::copy(&mut File::open(whole.path())?, &mut stream)?;
        return Ok(());
    }
    let path = follow_links(path)?;
    let new = temporary_file(&path)?;
    let mode = new.as_file().metadata()?.permissions();
    fill(new.path())?;
    let file = OpenOptions::new().read(true).write(true).open(new.path())?;
    file.set_permissions(mode)?;
    persist(
        NamedTempFile::from_parts(file, new.into_temp_path()),
        &path,
        before.as_ref(),
        flush,
    )
}

/// Gives a finished file or folder its name; a file of that name is replaced.
pub fn rename(from: &Path, to: &Path, flush: Flush) -> io::Result<()> {
    if flush == Flush::Now {
        File::open(from)?.sync_all()?;
    }
    fs::rename(from, to)?;
    sync_folder(folder_of(to), flush)
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What is at a path, links followed; nothing if nothing is there.
fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A target that must be written to in place, opened: no regular file, or the file that the output of
/// this process goes to.
fn stream_at(path: &Path, found: Option<&Metadata>) -> io::Result<Option<File>> {
    let Some(found) = found else { return Ok(None) };
    if let Some(own) = own_output(found)? {
        return Ok(Some(own));
    }
    if found.is_file() {
        return Ok(None);
    }
    if found.file_type().is_fifo() {
        return pipe(path).map(Some);
    }
    OpenOptions::new().write(true).open(path).map(Some)
}

/// The output of this process that goes to this file, if one does.
fn own_output(found: &Metadata) -> io::Result<Option<File>> {
    for own in [
        io::stdout().as_fd().try_clone_to_owned(),
        io::stderr().as_fd().try_clone_to_owned(),
    ] {
        // A copy of the descriptor shares its position: what is printed next comes after.
        let own = File::from(own?);
        let is_same = |own: Metadata| {
            (own.dev(), own.ino(), own.rdev()) == (found.dev(), found.ino(), found.rdev())
        };
        if own.metadata().is_ok_and(is_same) {
            return Ok(Some(own));
        }
    }
    Ok(None)
}

/// A pipe that a process reads. Without a reader, opening it would wait for one, through all signals.
fn pipe(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let begun = Instant::now();
    loop {
        match options.open(path) {
            Ok(file) => {
                fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
                return Ok(file);
            }
            Err(error) if error.raw_os_error() != Some(Errno::NXIO.raw_os_error()) => {
                return Err(error);
            }
            Err(_) if begun.elapsed() < PATIENCE => thread::sleep(PATIENCE / 100),
            Err(_) => {
                let text = "nobody reads this pipe";
                return Err(io::Error::new(io::ErrorKind::NotConnected, text));
            }
        }
    }
}

/// The path at the end of a chain of symbolic links, which need not exist.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    // The limit of Linux.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

fn temporary_file(path: &Path) -> io::Result<NamedTempFile> {
    let folder = folder_of(path);
    let create = |path: &Path| {
        let mut options = OpenOptions::new();
        // The system removes the bits of the user's mask, as for any new file.
        options.read(true).write(true).create_new(true).mode(0o666);
        options.open(path)
    };
    // `tempfile_in` would name the hidden file in its errors.
    let made = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .make_in(folder, create);
    made.map_err(|error| match error.kind() {
        kind @ io::ErrorKind::NotFound => {
            let text = format!("the folder `{}` is not there", folder.display());
            io::Error::new(kind, text)
        }
        _ => error,
    })
}

/// Gives a filled file the rights of the old one, and its name.
fn persist(
    new: NamedTempFile,
    path: &Path,
    before: Option<&Metadata>,
    flush: Flush,
) -> io::Result<()> {
    if let Some(before) = before {
        // Only root may do so; for other users the new file is their own.
        let _ = fchown(new.as_file(), Some(before.uid()), Some(before.gid()));
        let mode = before.permissions().mode() & 0o777;
        new.as_file()
            .set_permissions(Permissions::from_mode(mode))?;
    }
    if flush == Flush::Now {
        new.as_file().sync_all()?;
    }
    match new.persist(path) {
        Ok(_) => sync_folder(folder_of(path), flush),
        Err(error) if error.error.kind() == io::ErrorKind::ResourceBusy => {
            overwrite(path, error.file.as_file())
        }
        Err(error) => Err(error.error),
    }
}

/// Copies a file over one that cannot be replaced.
fn overwrite(path: &Path, mut new: &File) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    new.rewind()?;
    io::copy(&mut new, &mut file)?;
    file.sync_all()
}

fn sync_folder(folder: &Path, flush: Flush) -> io::Result<()> {
    match flush {
        // A name is data of the folder, not of the file.
        Flush::Now => File::open(folder)?.sync_all(),
        Flush::Later => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_takes_no_name_that_is_taken() {
        let folder = folder();
        let [new, old, link] = ["new", "old", "link"].map(|name| folder.path().join(name));
        fs::write(&old, "old").unwrap();
        symlink("nowhere", &link).unwrap();

        assert!(write_new(&new, b"text").unwrap());
        assert!(!write_new(&old, b"text").unwrap());
        assert!(!write_new(&link, b"text").unwrap());

        assert_eq!(fs::read(&new).unwrap(), b"text");
        assert_eq!(mode(&new), usual_mode(folder.path()));
        assert_eq!(fs::read(&old).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["link", "new", "old"]);
    }

    /// The mode that the system gives to a new file here.
    fn usual_mode(folder: &Path) -> u32 {
        let path = folder.join("usual");
        File::create(&path).unwrap();
        let mode = mode(&path);
        fs::remove_file(path).unwrap();
        mode
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays() {
        let folder = folder();
        let path = folder.path().join("a.json");

        for flush in [Flush::Now, Flush::Later] {
            write(&path, b"1", flush).unwrap();
            write(&path, b"2", flush).unwrap();

            assert_eq!(fs::read(&path).unwrap(), b"2");
            assert_eq!(names(folder.path()), ["a.json"]);
        }
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let folder = folder();
        let path = folder.path().join("a.json");
        write(&path, b"old", Flush::Later).unwrap();

        let error = write_with(&path, Flush::Now, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });

        assert_eq!(error.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn a_new_file_has_the_mode_of_any_new_file() {
        let folder = folder();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));

        write(&one, b"1", Flush::Later).unwrap();
        write_at(&two, Flush::Now, |path| {
            // As a library does that replaces the file by a private one.
            let own = NamedTempFile::new_in(folder.path())?;
            fs::write(own.path(), "2")?;
            own.persist(path)?;
            Ok(())
        })
        .unwrap();

        let usual = usual_mode(folder.path());
        assert_eq!([mode(&one), mode(&two)], [usual; 2]);
        assert_eq!(fs::read(&two).unwrap(), b"2");
        assert_eq!(names(folder.path()), ["one", "two"]);
    }

    #[test]
    fn an_old_file_keeps_its_mode() {
        let folder = folder();
        let path = folder.path().join("a.json");
        fs::write(&path, "1").unwrap();
        for kept in [0o600, 0o640, 0o664] {
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();

            write(&path, b"2", Flush::Later).unwrap();

            assert_eq!(mode(&path), kept, "{kept:o}");
        }
    }

    #[test]
    fn a_link_stays_and_its_target_is_replaced() {
        let folder = folder();
        let real = folder.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::write(real.join("old"), "1").unwrap();
        for target in ["real/old", "real/new"] {
            let link = folder.path().join("link");
            symlink(target, &link).unwrap();
            let second = folder.path().join("second");
            symlink("link", &second).unwrap();

            write(&second, b"2", Flush::Now).unwrap();

            assert!(link.is_symlink() && second.is_symlink());
            assert_eq!(fs::read(folder.path().join(target)).unwrap(), b"2");
            fs::remove_file(link).unwrap();
            fs::remove_file(second).unwrap();
        }
        assert_eq!(names(&real), ["new", "old"]);
    }

    #[test]
    fn links_in_a_ring_are_an_error() {
        let folder = folder();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        symlink(&two, &one).unwrap();
        symlink(&one, &two).unwrap();

        assert!(write(&one, b"1", Flush::Now).is_err());
        assert!(one.is_symlink() && two.is_symlink());
    }

    #[test]
    fn a_pipe_is_written_to_and_stays() {
        let folder = folder();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from(0o600)).unwrap();
        for name in ["pipe", "link"] {
            let named = folder.path().join(name);
            if name == "link" {
                symlink(&path, &named).unwrap();
            }
            let reader = reader(&path);

            write(&named, b"1", Flush::Now).unwrap();

            assert_eq!(reader.join().unwrap(), b"1");
        }
        assert!(!fs::metadata(&path).unwrap().is_file());
        assert_eq!(names(folder.path()), ["link", "pipe"]);
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_and_no_endless_wait() {
        let folder = folder();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from(0o600)).unwrap();

        let error = write(&path, b"1", Flush::Now).unwrap_err();
        assert_eq!(error.to_string(), "nobody reads this pipe");
        assert!(write_at(&path, Flush::Now, |path| fs::write(path, "1")).is_err());
        // The reader may come until there is something to write.
        assert_eq!(probe(&path).unwrap(), Target::Stream);
    }

    #[test]
    fn a_pipe_takes_more_than_fits_into_it() {
        // More than Linux keeps in a pipe: the second part waits for the reader.
        let text = vec![b'a'; 1 << 20];
        let folder = folder();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from(0o600)).unwrap();
        let reader = reader(&path);

        write(&path, &text, Flush::Now).unwrap();

        assert_eq!(reader.join().unwrap(), text);
    }

    /// A process's other end of a pipe, open when this returns.
    fn reader(path: &Path) -> std::thread::JoinHandle<Vec<u8>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let mut file = options.open(path).unwrap();
        fcntl_setfl(&file, OFlags::empty()).unwrap();
        std::thread::spawn(move || {
            use std::io::Read as _;
            let mut read = Vec::new();
            // A read before there is a writer finds the end.
            while read.is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(1));
                file.read_to_end(&mut read).unwrap();
            }
            read
        })
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "1").unwrap();
        symlink("ring", at("ring")).unwrap();
        symlink("missing/a", at("dangling")).unwrap();
        symlink("new", at("to_new")).unwrap();
        let all = names(folder.path());

        for name in ["folder", "file/a", "ring", "dangling", "missing/a"] {
            let error = probe(&at(name)).unwrap_err().to_string();
            assert!(!error.contains("at path"), "{error}");
            assert!(write(&at(name), b"2", Flush::Now).is_err(), "{name}");
        }
        for name in ["file", "new", "to_new"] {
            assert_eq!(probe(&at(name)).unwrap(), Target::File, "{name}");
        }
        assert_eq!(probe(Path::new("/dev/null")).unwrap(), Target::Stream);

        assert_eq!(names(folder.path()), all, "nothing stays written");
        assert_eq!(fs::read(at("file")).unwrap(), b"1");
        let error = probe(&at("missing/a")).unwrap_err().to_string();
        let missing = format!("the folder `{}` is not there", at("missing").display());
        assert_eq!(error, missing);
    }

    #[test]
    fn a_device_is_written_to() {
        let folder = folder();
        // A link, so that a fault in this code replaces the link and not the device.
        let link = folder.path().join("null");
        symlink("/dev/null", &link).unwrap();

        write(&link, b"1", Flush::Now).unwrap();
        write_at(&link, Flush::Now, |path| fs::write(path, "1")).unwrap();

        assert!(link.is_symlink());
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert_eq!(names(folder.path()), ["null"]);
    }

    #[test]
    fn a_folder_is_no_place_for_a_file() {
        let folder = folder();

        assert!(write(folder.path(), b"1", Flush::Now).is_err());
        assert!(write(&folder.path().join("missing/a"), b"1", Flush::Now).is_err());
    }

    #[test]
    fn a_renamed_folder_replaces_nothing_that_is_full() {
        let folder = folder();
        let [new, old] = ["new", "old"].map(|name| folder.path().join(name));
        fs::create_dir(&new).unwrap();
        fs::write(new.join("a"), "1").unwrap();

        rename(&new, &old, Flush::Now).unwrap();

        assert_eq!(names(folder.path()), ["old"]);
        assert_eq!(fs::read(old.join("a")).unwrap(), b"1");
    }
}
