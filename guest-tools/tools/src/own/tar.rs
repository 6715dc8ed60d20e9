//! `tar c|x|t[zvf] [-C FOLDER] [FILE]...`, over the crate tar.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let (mut mode, mut z, mut v, mut file, mut dir, mut names) =
        (None, false, false, None, None, vec![]);
    let mut it = a.iter().enumerate();
    while let Some((i, x)) = it.next() {
        let flags = if let Some(f) = x.strip_prefix("--") {
            match f {
                "create" => "c",
                "extract" => "x",
                "list" => "t",
                "gzip" => "z",
                "verbose" => "v",
                _ => return Err(format!("unknown option --{f}").into()),
            }
        } else if let Some(f) = x.strip_prefix('-') {
            f
        } else if i == 0 {
            x
        } else {
            names.push(*x);
            continue;
        };
        for c in flags.chars() {
            match c {
                'c' | 'x' | 't' => mode = Some(c),
                'z' => z = true,
                'v' => v = true,
                'f' => file = it.next().map(|x| *x.1),
                'C' => dir = it.next().map(|x| *x.1),
                'p' | 'k' => {}
                c => return Err(format!("unknown option {c}").into()),
            }
        }
    }
    let file = file.filter(|f| *f != "-");
    if mode == Some('c') {
        let out: Box<dyn Write> = match file {
            Some(f) => Box::new(fs::File::create(f)?),
            None => Box::new(io::stdout()),
        };
        let out: Box<dyn Write> =
            if z { Box::new(flate2::write::GzEncoder::new(out, Default::default())) } else { out };
        if let Some(d) = dir {
            std::env::set_current_dir(d)?
        }
        // the crate cannot turn metadata into a header on this platform
        fn add<W: Write>(b: &mut tar::Builder<W>, p: &Path, v: bool) -> io::Result<()> {
            let m = fs::symlink_metadata(p)?;
            if v {
                eprintln!("{}", p.display())
            }
            let mut h = tar::Header::new_gnu();
            h.set_mtime(
                m.modified()?.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            );
            h.set_mode(if m.is_dir() { 0o755 } else { 0o644 });
            h.set_size(0);
            if m.is_dir() {
                h.set_entry_type(tar::EntryType::Directory);
                b.append_data(&mut h, format!("{}/", p.display()), io::empty())?;
                let mut e: Vec<_> = fs::read_dir(p)?.flatten().map(|e| e.path()).collect();
                e.sort();
                return e.iter().try_for_each(|x| add(b, x, v));
            }
            if m.is_symlink() {
                h.set_entry_type(tar::EntryType::Symlink);
                return b.append_link(&mut h, p, fs::read_link(p)?);
            }
            h.set_size(m.len());
            b.append_data(&mut h, p, fs::File::open(p)?)
        }
        let mut b = tar::Builder::new(out);
        for n in names {
            add(&mut b, Path::new(n), v)?;
        }
        b.into_inner()?.flush()?;
        return Ok(0);
    }
    let mut r: Box<dyn BufRead> = match file {
        Some(f) => Box::new(BufReader::new(fs::File::open(f)?)),
        None => Box::new(BufReader::new(io::stdin())),
    };
    if let Some(d) = dir {
        std::env::set_current_dir(d)?
    }
    z |= r.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let r: Box<dyn Read> =
        if z { Box::new(flate2::read::MultiGzDecoder::new(r)) } else { Box::new(r) };
    let mut archive = tar::Archive::new(r);
    for e in archive.entries()? {
        let mut e = e?;
        let p = e.path()?.into_owned();
        if !names.is_empty() && !names.iter().any(|n| p.starts_with(n)) {
            continue;
        }
        match mode {
            Some('t') => println!("{}", p.display()),
            Some('x') => {
                if v {
                    println!("{}", p.display())
                }
                if p.is_absolute() || p.components().any(|c| c == std::path::Component::ParentDir) {
                    return Err(format!("{}: refused", p.display()).into());
                }
                match e.header().entry_type() {
                    tar::EntryType::Directory => fs::create_dir_all(&p)?,
                    t => {
                        if let Some(d) = p.parent().filter(|d| !d.as_os_str().is_empty()) {
                            fs::create_dir_all(d)?
                        }
                        match e.link_name()? {
                            Some(l) if t == tar::EntryType::Symlink => {
                                symlink(&l.to_string_lossy(), &p.to_string_lossy())?
                            }
                            Some(l) => drop(fs::copy(l, &p)?),
                            None => drop(io::copy(&mut e, &mut fs::File::create(&p)?)?),
                        }
                    }
                }
            }
            _ => return Err("one of c, x, t is needed".into()),
        }
    }
    Ok(0)
}

fn symlink(to: &str, at: &str) -> io::Result<()> {
    unsafe extern "C" {
        #[link_name = "symlink"]
        fn c_symlink(to: *const std::ffi::c_char, at: *const std::ffi::c_char) -> i32;
    }
    let (to, at) = (std::ffi::CString::new(to)?, std::ffi::CString::new(at)?);
    if unsafe { c_symlink(to.as_ptr(), at.as_ptr()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
