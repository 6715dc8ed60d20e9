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
    let has_many = options.names.iter().filter(|it| matches!(it, Name::File(_))).count() > 1;
    let mut adding = Adding {
        options,
        all_good: true,
        told: false,
        told_of_links: false,
        has_many,
        builder: &mut builder,
    };
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
    /// Whether it was said already that names lose their first slash.
    told: bool,
    told_of_links: bool,
    /// Whether there are several operands, so that a file may be met twice.
    has_many: bool,
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
            Ok(true) if !self.options.no_recursion => self.inside(name),
            Ok(_) => {}
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
        if !is_dir
            && !self.told_of_links
            && self.may_be_linked(path)
            && name.starts_with('/')
            && !self.options.absolute
        {
            eprintln!("tar: Removing leading `/' from hard link targets");
            self.told_of_links = true;
        }
        let with_slash = |name: &str| format!("{}/", name.trim_end_matches('/'));
        let stored = if is_dir { with_slash(&stored) } else { stored };
        if self.options.verbose > 0 {
            let plain = if is_dir { with_slash(name) } else { name.to_owned() };
            let shown = if self.options.shows_stored { &stored } else { &plain };
            // What is listed must not get into an archive on standard output.
            match self.options.file {
                Some(_) => println!("{shown}"),
                None => eprintln!("{shown}"),
            }
        }
        let mut header = self.header(path, metadata)?;
        if is_dir {
            header.set_entry_type(EntryType::Directory);
            return put(self.builder, &mut header, &stored, None, &mut io::empty());
        }
        if metadata.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            let to = fs::read_link(path)?;
            let to = to.to_string_lossy().into_owned();
            return put(self.builder, &mut header, &stored, Some(&to), &mut io::empty());
        }
        header.set_size(metadata.len());
        let mut data = File::open(path)?.take(metadata.len());
        put(self.builder, &mut header, &stored, None, &mut data)?;
        if self.options.removes { fs::remove_file(path) } else { Ok(()) }
    }

    fn header(&self, path: &Path, metadata: &Metadata) -> io::Result<Header> {
        let mut header = Header::new_gnu();
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        header.set_mtime(self.options.mtime.unwrap_or(modified));
        let bits = playpen_sys::stat(path, self.options.follow).map_or(0o644, |it| it.0 & 0o7777);
        header.set_mode(bits);
        let (user, uid) = owner(self.options.owner.as_deref());
        let (group, gid) = owner(self.options.group.as_deref());
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_username(&user)?;
        header.set_groupname(&group)?;
        header.set_size(0);
        Ok(header)
    }

    /// Whether a file could be a second name of another one, whose name then would be stored too.
    fn may_be_linked(&self, path: &Path) -> bool {
        self.has_many || playpen_sys::links(path, self.options.follow).is_ok_and(|it| it.0 > 1)
    }

    /// The name in the archive, which does not start at the root.
    fn stored(&mut self, name: &str) -> String {
        let name = self.options.renamed(name);
        if self.options.absolute || !name.starts_with('/') {
            return name;
        }
        if !self.told {
            eprintln!("tar: Removing leading `/' from member names");
            self.told = true;
        }
        name.trim_start_matches('/').to_owned()
    }
}

/// Name and number of `--owner` and `--group`.
fn owner(given: Option<&str>) -> (String, u64) {
    let Some(given) = given else { return ("root".to_owned(), 0) };
    let (name, number) = given.split_once(':').unwrap_or((given, given));
    match (name.parse(), number.parse()) {
        (Ok(0), _) => ("root".to_owned(), 0),
        (Ok(number), _) => (String::new(), number),
        (_, Ok(number)) => (name.to_owned(), number),
        _ => (name.to_owned(), 0),
    }
}

/// Puts an entry with exactly this name in, `./` and all; a long one goes before it in an entry of its own.
fn put(
    builder: &mut Builder<Vec<u8>>,
    header: &mut Header,
    name: &str,
    link: Option<&str>,
    data: &mut dyn Read,
) -> io::Result<()> {
    for (text, kind) in [(Some(name), b'L'), (link, b'K')] {
        let Some(text) = text else { continue };
        let old = header.as_old_mut();
        let field = if kind == b'L' { &mut old.name } else { &mut old.linkname };
        let bytes = text.as_bytes();
        let fits = bytes.len().min(field.len());
        field.fill(0);
        field[..fits].copy_from_slice(&bytes[..fits]);
        if bytes.len() > field.len() {
            put_long(builder, kind, bytes)?;
        }
    }
    header.set_cksum();
    builder.append(header, data)
}

fn put_long(builder: &mut Builder<Vec<u8>>, kind: u8, text: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    let name = b"././@LongLink";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(text.len() as u64 + 1);
    header.set_entry_type(EntryType::new(kind));
    header.set_cksum();
    builder.append(&header, text.chain(&[0u8][..]))
}

/// A time in seconds: `@SECONDS`, a date, or a date with a time, in UTC unless it says otherwise.
pub(super) fn seconds(text: &str) -> Option<u64> {
    use jiff::civil::{Date, DateTime};
    if let Some(number) = text.strip_prefix('@') {
        return number.parse().ok();
    }
    let zone = jiff::tz::TimeZone::UTC;
    let bare = text.trim_end_matches(" UTC");
    let stamp = text.parse::<jiff::Timestamp>().or_else(|_| {
        let civil = bare.parse::<DateTime>();
        let civil = civil.or_else(|_| bare.parse::<Date>().map(|it| it.at(0, 0, 0, 0)));
        civil.and_then(|it| it.to_zoned(zone)).map(|it| it.timestamp())
    });
    stamp.ok()?.as_second().try_into().ok()
}
