//! Archives for AWS Lambda, the same byte for byte whenever and wherever they are made.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::cloud::stacks::Asset;

/// What AWS Lambda takes: 250 MB, unzipped.
const LARGEST: usize = 262_144_000;

/// Why something cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The executable is none that AWS Lambda runs.
    #[error(
        "the bootstrap executable is no ELF file for x86_64 or arm64: build it with `cargo build --bin bootstrap` for Linux"
    )]
    NotAnExecutable,
    /// Too much for AWS Lambda.
    #[error("the code has {0} bytes, and AWS Lambda takes {LARGEST}: leave out what the function does not need")]
    TooLarge(usize),
    /// The archive could not be written.
    #[error("the code cannot be packed: {0}")]
    Zip(String),
}

/// A processor that AWS Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Intel and AMD.
    X86_64,
    /// Graviton.
    Arm64,
}

impl Architecture {
    /// AWS Lambda's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// What an executable was built for.
    ///
    /// # Errors
    /// [`Error::NotAnExecutable`].
    pub fn of(executable: &[u8]) -> Result<Self, Error> {
        // ELF, 64 bits, little-endian; the machine is a number of two bytes at 18.
        match (executable.get(..6), executable.get(18..20)) {
            (Some(b"\x7fELF\x02\x01"), Some([62, 0])) => Ok(Self::X86_64),
            (Some(b"\x7fELF\x02\x01"), Some([183, 0])) => Ok(Self::Arm64),
            _ => Err(Error::NotAnExecutable),
        }
    }
}

/// The executable for functions in Rust. Packing it takes a while: however many templates it is in, that is done once.
#[derive(Debug, Clone)]
pub struct Executable(Arc<(Bytes, OnceLock<Result<Asset, Error>>)>);

impl From<Bytes> for Executable {
    fn from(content: Bytes) -> Self {
        Self(Arc::new((content, OnceLock::new())))
    }
}

impl Executable {
    /// Its content.
    pub fn content(&self) -> &Bytes {
        &self.0.0
    }

    /// The archive with it.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Zip`].
    pub fn packed(&self) -> Result<Asset, Error> {
        self.0.1.get_or_init(|| archive(&[("bootstrap", &self.0.0, 0o755)])).clone()
    }
}

/// The archive with a function's files.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Zip`].
pub fn code(files: &BTreeMap<String, Bytes>) -> Result<Asset, Error> {
    let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), content, 0o644)).collect();
    archive(&files)
}

/// A file as it is, under `folder/SHA256.extension`.
pub fn file(folder: &str, extension: &str, content: Bytes) -> Asset {
    Asset { key: format!("{folder}/{}.{extension}", hex::encode(Sha256::digest(&content))), content }
}

/// The files in this order, each with a fixed time and with its permissions.
fn archive(files: &[(&str, &Bytes, u32)]) -> Result<Asset, Error> {
    let size = files.iter().map(|(_, content, _)| content.len()).sum();
    if size > LARGEST {
        return Err(Error::TooLarge(size));
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content, permissions) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(*permissions);
        zip.start_file(*path, options).map_err(|e| Error::Zip(e.to_string()))?;
        zip.write_all(content).map_err(|e| Error::Zip(e.to_string()))?;
    }
    let bytes = zip.finish().map_err(|e| Error::Zip(e.to_string()))?.into_inner();
    Ok(file("functions", "zip", bytes.into()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn elf(machine: u8) -> Bytes {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(64, 0);
        file[18] = machine;
        file.into()
    }

    #[test]
    fn an_archive_is_the_same_whenever_it_is_made() {
        let bootstrap = |machine| Executable::from(elf(machine)).packed();
        let asset = bootstrap(62).unwrap();
        assert_eq!(asset, bootstrap(62).unwrap());
        // Of this content for ever: a change of the packing would deploy every function anew.
        assert_eq!(asset.key, "functions/cc88f44fafa9e04a6b249ffe63bb343c214764d2f2ff1408ed91ade92bb7c5f7.zip");
        let mut zip = zip::ZipArchive::new(Cursor::new(asset.content)).unwrap();
        let mut file = zip.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        assert_eq!(file.last_modified(), Some(DateTime::default()));
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert_eq!(content, elf(62));
    }

    #[test]
    fn a_function_s_files_are_there_in_order_and_can_be_read() {
        let files = [("lib/b.py", "b"), ("app.py", "a")];
        let files = files.map(|(path, text)| (path.to_owned(), Bytes::from(text))).into();
        let asset = code(&files).unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(asset.content)).unwrap();
        let name = |zip: &mut zip::ZipArchive<_>, n| zip.by_index(n).unwrap().name().unwrap().into_owned();
        assert_eq!((zip.len(), name(&mut zip, 0), name(&mut zip, 1)), (2, "app.py".into(), "lib/b.py".into()));
        assert_eq!(zip.by_index(1).unwrap().unix_mode().unwrap() & 0o777, 0o644);
    }

    #[test]
    fn an_executable_is_packed_once() {
        let executable = Executable::from(elf(62));
        let (first, again) = (executable.packed().unwrap(), executable.clone().packed().unwrap());
        assert_eq!(first.content.as_ptr(), again.content.as_ptr());
    }

    #[test]
    fn another_content_is_another_key() {
        let bootstrap = |machine| Executable::from(elf(machine)).packed();
        assert_ne!(bootstrap(62).unwrap().key, bootstrap(183).unwrap().key);
        let sql = file("jobs", "sql", Bytes::from_static(b"select 1"));
        assert_eq!(sql.key, format!("jobs/{}.sql", hex::encode(Sha256::digest("select 1"))));
    }

    #[test]
    fn an_executable_says_what_it_was_built_for() {
        assert_eq!(Architecture::of(&elf(62)), Ok(Architecture::X86_64));
        assert_eq!(Architecture::of(&elf(183)), Ok(Architecture::Arm64));
        assert_eq!(Architecture::of(&elf(3)), Err(Error::NotAnExecutable));
        assert_eq!(Architecture::of(b"#!/bin/sh\necho hello\n"), Err(Error::NotAnExecutable));
        assert_eq!(Architecture::of(b""), Err(Error::NotAnExecutable));
    }
}
