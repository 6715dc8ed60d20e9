//! `tar -c` and `tar -r`.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use tar::{Archive, Builder, EntryType, Header};

use super::{Name, Options};
use crate::own::reason;

/// Whether everything went in.
pub(super) fn run(options: &Options) -> Result<bool, String> {
    if !options.names.iter().any(|it| matches!(it, Name::File(_))) {
        return Err("Cowardly refusing to create an empty archive".into());
    }
    let shown = options.file.clone().unwrap_or_else(|| "-".into());
    let failed = |e: io::Error| format!("{shown}: Cannot open: {}", reason(&e));
    let before = match (options.mode, &options.file) {
        (Some('r'), Some(file)) => read_before(file).map_err(failed)?,
        _ => vec![],
    };
    // Names of files are looked up after `-C`, that of the archive is not.
    let archive = options.file.as_ref().map(File::create).transpose().map_err(failed)?;
    let mut builder = Builder::new(before);
    let mut adding = Adding { options, all_good: true, builder: &mut builder };
    for name in &options.names {
        match name {
            Name::Folder(folder) => std::env::set_current_dir(folder)
                .map_err(|e| format!("{folder}: Cannot open: {}", reason(&e)))?,
            Name::File(file) => adding.add(file),
        }
    }
    let all_good = adding.all_good;
    let bytes = builder.into_inner().map_err(|e| reason(&e))?;
    let mut out: Box<dyn Write> = match archive {
        Some(file) => Box::new(file),
        None => Box::new(io::stdout()),
    };
    let auto = if options.auto { options.packing_of_name() } else { None };
    let written = match options.packing.or(auto) {
        Some(packing) => packing.pack(&mut bytes.as_slice(), &mut out, 6),
        None => out.write_all(&bytes),
    };
    written.and_then(|()| out.flush()).map_err(|e| reason(&e))?;
    Ok(all_good)
}

/// What an archive holds already, without its end.
fn read_before(file: &str) -> io::Result<Vec<u8>> {
    let bytes = match fs::read(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        other => other?,
    };
    let mut end = 0;
    for entry in Archive::new(bytes.as_slice()).entries()? {
        let entry = entry?;
        let size = entry.size().div_ceil(512) * 512;
        end = (entry.raw_file_position() + size) as usize;
    }
    Ok(bytes[..end].to_vec())
}

struct Adding<'a> {
    options: &'a Options,
    all_good: bool,
    builder: &'a mut Builder<Vec<u8>>,
}

impl Adding<'_> {
    fn add(&mut self, name: &str) {
        if self.options.is_excluded(name) {
            return;
        }
        let path = Path::new(name);
        let metadata =
            if self.options.follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let added = metadata.and_then(|it| self.entry(name, &it).map(|()| it.is_dir()));
        match added {
            Ok(true) => self.inside(name),
            Ok(false) => {}
            Err(e) => {
                eprintln!("tar: {name}: Cannot stat: {}", reason(&e));
                self.all_good = false;
            }
        }
    }

    fn inside(&mut self, name: &str) {
        let mut names: Vec<String> = fs::read_dir(name)
            .into_iter()
            .flatten()
            .flatten()
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let folder = name.trim_end_matches('/');
        names.iter().for_each(|it| self.add(&format!("{folder}/{it}")));
    }

    fn entry(&mut self, name: &str, metadata: &Metadata) -> io::Result<()> {
        let path = Path::new(name);
        let stored = self.stored(name);
        let is_dir = metadata.is_dir();
        let shown =
            if is_dir { format!("{}/", name.trim_end_matches('/')) } else { name.to_owned() };
        if self.options.verbose > 0 {
            // What is listed must not get into an archive on standard output.
            match self.options.file {
                Some(_) => println!("{shown}"),
                None => eprintln!("{shown}"),
            }
        }
        let mut header = Header::new_gnu();
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        header.set_mtime(self.options.mtime.unwrap_or(modified));
        let bits = playpen_sys::stat(path, self.options.follow).map_or(0o644, |it| it.0 & 0o7777);
        header.set_mode(bits);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_size(0);
        if is_dir {
            header.set_entry_type(EntryType::Directory);
            let stored = format!("{}/", stored.trim_end_matches('/'));
            return self.builder.append_data(&mut header, stored, io::empty());
        }
        if metadata.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            return self.builder.append_link(&mut header, stored, fs::read_link(path)?);
        }
        header.set_size(metadata.len());
        self.builder.append_data(&mut header, stored, File::open(path)?.take(metadata.len()))
    }

    /// The name in the archive, which does not start at the root.
    fn stored(&self, name: &str) -> String {
        if self.options.absolute || !name.starts_with('/') {
            return name.to_owned();
        }
        eprintln!("tar: Removing leading `/' from member names");
        name.trim_start_matches('/').to_owned()
    }
}
