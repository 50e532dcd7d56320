//! The executable that a function in Rust is deployed with: where it is, and whether it starts on Amazon Linux 2023.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use object::{
    Endianness,
    elf::{EM_AARCH64, EM_X86_64, FileHeader64, PT_INTERP, SHT_DYNSYM},
    read::elf::{FileHeader, ProgramHeader, Sym},
};

use super::package::Executable;

/// The glibc of Amazon Linux 2023.
const GLIBC: (u32, u32) = (2, 34);
/// Its name in `target/` and in a function's archive.
const NAME: &str = "bootstrap";
/// How it is built so that it starts there.
pub const HOW: &str = "build it with `.ci/bootstrap` (cargo-zigbuild, against glibc 2.34), or with `cargo build --profile dist \
                       --bin bootstrap --no-default-features --features bootstrap` on a system whose glibc is no younger \
                       than 2.34 (docs/lambda.md)";

/// How pumphouse is built so that it starts in CodeBuild, whose images are Amazon Linux 2023, too.
pub const HOW_PUMPHOUSE: &str = "build it against glibc 2.34 (`cargo zigbuild --profile dist --no-default-features --bin \
                                 pumphouse --target x86_64-unknown-linux-gnu.2.34`), and name it with --executable";

/// Why there is no executable to deploy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is nowhere.
    #[error("there is no executable for functions in Rust at {}: {HOW}; name it in the setting `bootstrap` (PUMPHOUSE_BOOTSTRAP) where it is elsewhere", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Unreadable(PathBuf, String),
    /// It would not start on Lambda.
    #[error("{} would not start on AWS Lambda: {}", .0.display(), .1)]
    Unfit(PathBuf, Unfit),
    /// It would not start in a build.
    #[error("{} would not start in AWS CodeBuild: {}; {HOW_PUMPHOUSE}", .0.display(), .1.why())]
    UnfitForBuilds(PathBuf, Unfit),
    /// Nobody knows where the running program is.
    #[error("the running program cannot be found: {HOW_PUMPHOUSE}")]
    Unknown,
}

/// Why an executable would not start on Amazon Linux 2023.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is something else.
    #[error("it is no executable for Linux on x86_64 or arm64 ({0}): {HOW}")]
    Kind(String),
    /// It needs a younger glibc.
    #[error("it needs {symbol} of {version}, and Amazon Linux 2023 has glibc 2.34: {HOW}")]
    Glibc {
        /// A symbol that is missing there.
        symbol: String,
        /// The version that has it: `GLIBC_2.39`.
        version: String,
    },
}

impl Unfit {
    /// The same, without what to do about it.
    fn why(&self) -> String {
        match self {
            Self::Kind(why) => format!("it is no executable for Linux on x86_64 or arm64 ({why})"),
            Self::Glibc { symbol, version } => {
                format!("it needs {symbol} of {version}, and Amazon Linux 2023 has glibc 2.34")
            }
        }
    }
}

/// Reads the pumphouse that a release's builds run: the one that was `named`, else the running program.
///
/// # Errors
/// Where it cannot be read, or would not start there, with the command that builds one.
pub fn pumphouse(named: Option<&Path>, emulated: bool) -> Result<Executable, Error> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().map_err(|_| Error::Unknown)?,
    };
    let file = std::fs::read(&path).map_err(|e| Error::Unreadable(path.clone(), e.to_string()))?;
    match check(&file) {
        Err(Unfit::Glibc { .. }) if emulated => {}
        checked => checked.map_err(|unfit| Error::UnfitForBuilds(path, unfit))?,
    }
    Ok(Bytes::from(file).into())
}

/// Reads the executable: the one that was `named`, else the one beside the running program. An `emulated` Lambda starts it
/// on a machine like this one, whatever glibc that has.
///
/// # Errors
/// Where there is none, or one that would not start on Lambda, with the command that builds one.
pub fn find(named: Option<&Path>, emulated: bool) -> Result<Bytes, Error> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => beside().ok_or_else(|| Error::Missing(NAME.into()))?,
    };
    let file = match std::fs::read(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(Error::Missing(path)),
        Err(e) => return Err(Error::Unreadable(path, e.to_string())),
    };
    match check(&file) {
        Err(Unfit::Glibc { .. }) if emulated => {}
        checked => checked.map_err(|unfit| Error::Unfit(path, unfit))?,
    }
    Ok(file.into())
}

/// Finds the executable, and keeps what it has found as long as the file is the same: reading, judging and packing it takes
/// a while, and a console asks for a plan every few seconds.
#[derive(Debug, Default)]
pub struct Finder(Mutex<Option<(Seen, Executable)>>);

/// By what a file is known to be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    modified: SystemTime,
    size: u64,
    emulated: bool,
}

impl Finder {
    /// As [`find`] does. It blocks: not for a thread that others wait for.
    ///
    /// # Errors
    /// Those of [`find`].
    pub fn find(&self, named: Option<&Path>, emulated: bool) -> Result<Executable, Error> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = named.map(Path::to_owned).or_else(beside);
        let seen = path.and_then(|path| {
            let meta = std::fs::metadata(&path).ok()?;
            Some(Seen { path, modified: meta.modified().ok()?, size: meta.len(), emulated })
        });
        if let (Some((before, executable)), Some(seen)) = (&*known, &seen)
            && before == seen
        {
            return Ok(executable.clone());
        }
        let executable = Executable::from(find(named, emulated)?);
        *known = seen.map(|seen| (seen, executable.clone()));
        Ok(executable)
    }
}

fn beside() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.join(NAME))
}

/// Whether an executable starts on Amazon Linux 2023: for Linux on x86_64 or arm64, and either static or content with
/// glibc 2.34.
///
/// # Errors
/// [`Unfit`] with what keeps it from starting.
pub fn check(file: &[u8]) -> Result<(), Unfit> {
    let kind = |why: &dyn std::fmt::Display| Unfit::Kind(why.to_string());
    let header = FileHeader64::<Endianness>::parse(file).map_err(|e| kind(&e))?;
    let endian = header.endian().map_err(|e| kind(&e))?;
    let machine = header.e_machine(endian);
    if machine != EM_X86_64 && machine != EM_AARCH64 {
        return Err(kind(&format!("it is for the machine {machine}")));
    }
    let segments = header.program_headers(endian, file).map_err(|e| kind(&e))?;
    if segments.is_empty() {
        return Err(kind(&"it has no segments: an object file?"));
    }
    let Some(interpreter) = segments.iter().find(|s| s.p_type(endian) == PT_INTERP) else { return Ok(()) };
    let loader = interpreter.data(endian, file).unwrap_or_default();
    let loader = String::from_utf8_lossy(loader).trim_end_matches('\0').to_owned();
    // A loader that is not there is a file that is not found.
    if !loader.contains("/ld-linux") {
        return Err(kind(&format!("it is loaded by {loader}, which is not there")));
    }
    let sections = header.sections(endian, file).map_err(|e| kind(&e))?;
    let symbols = sections.symbols(endian, file, SHT_DYNSYM).map_err(|e| kind(&e))?;
    let Some(versions) = sections.versions(endian, file).map_err(|e| kind(&e))? else {
        return Err(kind(&"it does not say which versions of glibc it needs"));
    };
    for (index, symbol) in symbols.enumerate() {
        if !symbol.is_undefined(endian) {
            continue;
        }
        let found = versions.version(versions.version_index(endian, index).into()).map_err(|e| kind(&e))?;
        let Some(version) = found else { continue };
        let version = String::from_utf8_lossy(version.name()).into_owned();
        if too_young(&version) {
            let name = symbol.name(endian, symbols.strings()).unwrap_or_default();
            return Err(Unfit::Glibc { symbol: String::from_utf8_lossy(name).into_owned(), version });
        }
    }
    Ok(())
}

/// Whether a symbol's version is one of a glibc that Amazon Linux 2023 does not have.
fn too_young(version: &str) -> bool {
    let Some(number) = version.strip_prefix("GLIBC_") else { return false };
    let mut parts = number.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) > GLIBC,
        (Some(Ok(major)), None) => (major, 0) > GLIBC,
        // GLIBC_PRIVATE, GLIBC_ABI_DT_RELR: a number that is none promises nothing.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for fine in ["GLIBC_2.2.5", "GLIBC_2.9", "GLIBC_2.34", "GCC_3.0", "LIBC"] {
            assert!(!too_young(fine), "{fine}");
        }
        for young in ["GLIBC_2.35", "GLIBC_2.100", "GLIBC_3.0", "GLIBC_3", "GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"] {
            assert!(too_young(young), "{young}");
        }
    }

    #[test]
    fn what_is_no_executable_is_told() {
        for file in [&b""[..], b"#!/bin/sh\n", b"PK\x03\x04", b"\x7fELF"] {
            assert!(matches!(check(file), Err(Unfit::Kind(_))), "{file:?}");
        }
    }

    #[test]
    fn this_very_test_is_judged_by_its_symbols() {
        let me = std::env::current_exe().unwrap();
        match check(&std::fs::read(&me).unwrap()) {
            // Built against an old glibc, or against none.
            Ok(()) => assert!(find(Some(&me), false).is_ok()),
            Err(Unfit::Glibc { symbol, version }) => {
                assert!(!symbol.is_empty() && too_young(&version));
                let told = find(Some(&me), false).unwrap_err().to_string();
                assert!(told.contains(&version) && told.contains(".ci/bootstrap"), "{told}");
            }
            Err(other) => panic!("{other}"),
        }
        // An emulator starts it here, where it has started.
        assert!(find(Some(&me), true).is_ok());
    }

    #[test]
    fn a_file_is_read_again_when_it_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bootstrap");
        let me = std::env::current_exe().unwrap();
        std::fs::copy(&me, &path).unwrap();
        let finder = Finder::default();
        let first = finder.find(Some(&path), true).unwrap();
        let same = finder.find(Some(&path), true).unwrap();
        assert_eq!(first.content().as_ptr(), same.content().as_ptr());
        let mut longer = std::fs::read(&me).unwrap();
        longer.push(0);
        std::fs::write(&path, &longer).unwrap();
        assert_eq!(finder.find(Some(&path), true).unwrap().content().len(), longer.len());
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(finder.find(Some(&path), true), Err(Error::Missing(_))));
    }

    #[test]
    fn where_it_is_missing_the_command_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let told = find(Some(&dir.path().join("bootstrap")), true).unwrap_err().to_string();
        assert!(told.contains(".ci/bootstrap") && told.contains("PUMPHOUSE_BOOTSTRAP"), "{told}");
        let script = dir.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        for emulated in [false, true] {
            let told = find(Some(&script), emulated).unwrap_err().to_string();
            assert!(told.contains("would not start on AWS Lambda"), "{told}");
        }
    }
}
